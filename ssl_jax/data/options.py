"""The settings of ``config.data``, and those of them that loading reads."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ssl_jax import settings
from ssl_jax.data.frame import Frame
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

SETTINGS = {
    "name": settings.text("fashion_mnist_mini", "which data, see ssl_jax.data.load"),
    "batch_size": settings.integer(256, "examples per training step, on all devices", at_least=1),
    "image_size": settings.integer(
        None, "height and width in pixels", at_least=4, at_most=4096, optional=True
    ),
    "stored_size": settings.integer(
        None,
        "side of the square into which whole pictures are squeezed; crops come from it. None: only "
        "their centers are kept",
        at_least=4,
        at_most=4096,
        optional=True,
    ),
    "center_crop": settings.real(
        1.0, "share of a stored picture's shorter side that evaluation sees", above=0, at_most=1
    ),
    "channels": settings.integer(
        None, "1 for gray, 3 for color; arrays may have others", at_least=1, optional=True
    ),
    "value_range": settings.intervals(
        "values that become black and white, of images with more than 8 bits or of floats; two, or "
        "two per channel; None: the smallest and the largest of the training images"
    ),
    "mean": settings.per_channel("mean of pixels in [0, 1]; networks read normalized pixels"),
    "std": settings.per_channel("standard deviation of pixels in [0, 1]", above=0),
    "frames": settings.integer(None, "frames of a clip", at_least=1, optional=True),
    "vocabulary": settings.integer(
        None, "tokens of a tokenizer, at most", at_least=257, at_most=2**20, optional=True
    ),
    "tokens": settings.integer(
        None, "tokens in a window of text", at_least=2, at_most=2**16, optional=True
    ),
    "holdout": settings.integer(
        0, "training examples that replace the test set, to choose recipes on", at_least=0
    ),
    "labels": settings.integer(
        None, "labeled training examples per class; None: all", at_least=1, optional=True
    ),
    "draw": settings.integer(
        0, "which draw of the labeled examples", at_least=0, at_most=2**32 - 1
    ),
    "cache_mib": settings.integer(
        2048, "images that fit in this many MiB are decoded once and kept", at_least=0
    ),
    "max_unreadable": settings.integer(
        100, "unreadable files to skip before loading gives up", at_least=0
    ),
    "data_dir": settings.text(
        None,
        "folder with the archive of cifar10, cifar100 or stl10, or that of TFDS or datasets",
        optional=True,
    ),
    "image_column": settings.text(
        None, "column of images of hf: data; None: the only one of type Image", optional=True
    ),
    "label_column": settings.text(
        None, "column of labels of hf: data; None: the only one of type ClassLabel", optional=True
    ),
}


class Options(NamedTuple):
    """The settings that loading reads; ``SETTINGS`` says what each is. None means "choose"."""

    name: str
    image_size: int | None = None
    stored_size: int | None = None
    center_crop: float = 1.0
    channels: int | None = None
    value_range: tuple[float, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    vocabulary: int | None = None
    tokens: int | None = None
    holdout: int = 0
    labels: int | None = None
    draw: int = 0
    cache_mib: int = 2048
    max_unreadable: int = 100
    data_dir: str | None = None
    image_column: str | None = None
    label_column: str | None = None

    def frame(self, size: int, channels: int, values: tuple[float, float] | None = None) -> Frame:
        """Returns the frame of pictures of the given size, channels and range of values.

        Raises:
          InputError: ``stored_size`` is smaller than the pictures that encoders see.
        """
        if self.stored_size is not None and self.stored_size < size:
            raise InputError(
                f"data.stored_size: {self.stored_size} is less than data.image_size {size}; "
                f"expected at least {size}, or None"
            )
        return Frame(size, channels, self.stored_size, self.center_crop, values)


def read(config_data: Mapping[str, Any]) -> Options:
    """Reads and checks the options; other keys are left alone.

    Raises:
      InputError: a key is missing or its value makes no sense.
    """
    values = {key: config_data.get(key) for key in Options._fields}
    given = {key: value for key, value in values.items() if value is not None}
    if "name" not in given:
        raise InputError(f"data.name: is missing; expected {SETTINGS['name'].expected}")
    for key, value in given.items():
        settings.check_value(f"data.{key}", value, SETTINGS[key])
    if "data_dir" in given:
        given["data_dir"] = str(expanded(given["data_dir"]))
    options = Options(**given)
    if options.stored_size is None and options.center_crop != 1:
        raise InputError(
            f"data.center_crop: {options.center_crop} without data.stored_size; expected 1, since "
            "training would see no more than that center"
        )
    return options


def check_channels(options: Options) -> None:
    """Checks that image files are asked for in gray or in color.

    Raises:
      InputError: they are asked for with another number of channels, or one range of values each.
    """
    if options.channels not in (None, 1, 3):
        raise InputError(
            f"data.channels: {options.channels} in {options.name}; expected 1 or 3, or arrays in "
            "npz:/path"
        )
    if options.value_range is not None and len(options.value_range) != 2:
        raise InputError(
            f"data.value_range: {options.value_range} in {options.name}; expected two numbers"
        )


def columns_for(name: str, config_data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of columns with which a run reads data of this name.

    They are the run's own for its own data, and None for other data.
    """
    keys = ("image_column", "label_column")
    own = name == config_data["name"]
    return {key: config_data.get(key) if own else None for key in keys}


def check_statistics(options: Options, channels: int) -> None:
    """Checks that ``mean`` and ``std``, where given, have one number per channel.

    Raises:
      InputError: one does not.
    """
    for key in ("mean", "std"):
        values = getattr(options, key)
        if values is not None and len(values) != channels:
            raise InputError(
                f"data.{key}: {tuple(values)} has {len(values)} numbers; "
                f"expected {channels}, one per channel"
            )
