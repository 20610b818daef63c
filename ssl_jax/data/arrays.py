"""Images in memory: the user's own arrays, and data sets small enough to load whole."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from ssl_jax.data import contents, memory, statistics
from ssl_jax.data.dataset import Arrays, Dataset, Example, Source, gather, labels_of
from ssl_jax.data.frame import Frame, centers, frame_of
from ssl_jax.data.options import Options
from ssl_jax.errors import InputError


class Fitted:
    """Another source, with its images, uint8 [h, w, c], brought to one shape."""

    def __init__(self, source: Source, frame: Frame):
        self.source = source
        self.frame = frame

    @property
    def labels(self) -> np.ndarray | None:
        """The labels, int32 [n], or None."""
        return labels_of(self.source)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        example = self.source[index]
        return {**example, **self.frame.fit_array(example["image"])}


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    test_images: np.ndarray,
    test_labels: np.ndarray | None = None,
    label_names: tuple[str, ...] | None = None,
) -> Dataset:
    """Builds a dataset from arrays in memory.

    Use it for data of your own: a method trains on `images`, and evaluation fits its probes on
    `images` and `labels` and scores them on the test arrays.

    >>> import numpy as np
    >>> from ssl_jax import data
    >>> images = np.zeros((100, 32, 32, 3), np.uint8)
    >>> labels = np.arange(100) % 2
    >>> pets = data.from_arrays(
    ...     images[:80],
    ...     labels[:80],
    ...     test_images=images[80:],
    ...     test_labels=labels[80:],
    ...     label_names=("cat", "dog"),
    ... )
    >>> len(pets.train), len(pets.test), pets.label_names
    (80, 20, ('cat', 'dog'))
    >>> pets.train[1]["image"].shape, int(pets.train[1]["label"])
    ((32, 32, 3), 1)

    Args:
      images: training images, uint8 [n, h, h, c] or [n, h, h], with any number of channels.
      labels: one class per training image, integers [n], 0 or more, or None. Without
        `label_names`, the classes are the numbers that occur, in order.
      test_images: test images, [m, ...], of the same size and channels as `images`.
      test_labels: one class per test image, integers [m]; required if `labels` is given, and
        refused otherwise.
      label_names: the name of class 0, 1, ...; by default the numbers that occur.

    Returns:
      The dataset, with mean and standard deviation measured on `images`.

    Raises:
      InputError: shapes, types or labels do not agree.
    """
    images = _checked_type("images", _with_channels("images", images))
    test_images = _checked_type("test_images", _with_channels("test_images", test_images))
    if images.shape[1] != images.shape[2]:
        raise InputError(
            f"images: shape {images.shape} is not square; expected [n, h, h, c]"
            f"{_hint(images.shape)}"
        )
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"test_images: shape {test_images.shape[1:]} differs from the training shape; "
            f"expected {images.shape[1:]}"
        )
    if (labels is None) != (test_labels is None):
        missing = "labels" if labels is None else "test_labels"
        raise InputError(f"{missing}: None but the other split has labels; expected both or none")
    columns = {"image": images}
    test_columns = {"image": test_images}
    if labels is not None and test_labels is not None:
        ids = checked_labels("labels", labels, len(images))
        test_ids = checked_labels("test_labels", test_labels, len(test_images))
        columns["label"], test_columns["label"], label_names = numbered(ids, test_ids, label_names)
    elif label_names is not None:
        raise InputError("label_names: given without labels; expected labels too")
    train = Arrays(columns)
    size, channels = images.shape[2:]
    mean, std = statistics.measure(train)
    facts = {"modality": "image", "image_size": size, "channels": channels}
    facts |= {"mean": mean, "std": std}
    arrays = {**columns, **{f"test_{name}": column for name, column in test_columns.items()}}
    return Dataset(
        train, train, Arrays(test_columns), label_names, facts, contents=contents.of_arrays(arrays)
    )


def fit_images(images: np.ndarray, config_data: Any) -> np.ndarray:
    """Brings images in memory to the size and channels that a run was trained on.

    Args:
      images: [n, h, w, c], of any size, or [n, h, w] if the run is gray. A run on gray or color
        images takes both; another one takes its own number of channels. uint8, or float from 0 to
        1; if the run has a `value_range`, numbers of that range.
      config_data: `config.data`, with what loading resolved.

    Returns:
      uint8 [n, image_size, image_size, channels].

    Raises:
      InputError: the images have another shape, type or range.
    """
    images = _as_array(images)
    channels, values = config_data["channels"], config_data.get("value_range")
    _check_not_one(images, channels)
    images = _with_channels("images", images, (1, 3) if channels in (1, 3) else (channels,))
    if values is not None and images.dtype != np.uint8 and images.dtype.kind in "iuf":
        images = scaled(images, values)
    elif np.issubdtype(images.dtype, np.floating):
        if not np.all((images >= 0) & (images <= 1)):
            raise InputError(
                f"images: {images.dtype} from {images.min():g} to {images.max():g} is out of "
                "range; expected 0 to 1"
            )
        images = np.round(images * 255).astype(np.uint8)
    source = Arrays({"image": _checked_type("images", images)})
    frame = frame_of(config_data)
    fitted = centers(Fitted(source, frame), frame)
    return gather(fitted, np.arange(len(fitted)))["image"]


def conform(source: Arrays, options: Options, size: int, channels: int, title: str) -> Source:
    """Brings images in memory to the size and channels that the options ask for.

    Args:
      source: examples with `image`, uint8 [h, w, c], and optionally `label`.
      options: the size and channels to produce, and how much memory may be used.
      size: height and width in pixels, used if the options give none.
      channels: number of channels, used if the options give none.
      title: what the progress bar calls the images.

    Returns:
      The source itself if its images already have that shape. Otherwise a resized copy in memory,
      or, if the copy would exceed `cache_mib`, a source that resizes each image on access.
    """
    frame = options.frame(options.image_size or size, options.channels or channels)
    shape = (frame.size, frame.size, frame.channels)
    if frame.stored is None and source.columns["image"].shape[1:] == shape:
        return source
    fitted = Fitted(source, frame)
    if not memory.fits(len(source), frame, options.cache_mib):
        return fitted
    return memory.read_all(fitted.__getitem__, len(fitted), f"decoding {title} images") or fitted


def scaled(images: np.ndarray, values: Sequence[float]) -> UInt8[np.ndarray, "*n h w c"]:
    """Scales images to 8 bits; what is not a number becomes black.

    Args:
      images: [..., h, w, c], integers or floats.
      values: the values that become black and white, two, or two per channel in a row.
    """
    low, high = np.asarray(values, np.float64).reshape(-1, 2).T
    shares = (images.astype(np.float64) - low) / (high - low)
    shares = np.clip(np.nan_to_num(shares, posinf=1, neginf=0), 0, 1)
    return np.round(255 * shares).astype(np.uint8)


def numbered(
    labels: np.ndarray, test_labels: np.ndarray, names: Sequence[str] | None = None
) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " m"], tuple[str, ...]]:
    """Numbers the classes that occur, in order, from 0 on; with names, labels are their positions.

    Returns:
      The numbers of the training and of the test labels, and one name per number.

    Raises:
      InputError: there are fewer names than labels need.
    """
    known = np.union1d(labels, test_labels)
    if names is None:
        names = tuple(map(str, known))
    elif len(names) <= known[-1]:
        raise InputError(
            f"label_names: {len(names)} names; expected {known[-1] + 1}, one per label"
        )
    else:
        known = np.arange(len(names))
    train, test = (np.searchsorted(known, x).astype(np.int32) for x in (labels, test_labels))
    return train, test, tuple(names)


def _as_array(images: Any) -> np.ndarray:
    """Returns an array of one image per row.

    Raises:
      InputError: images have different shapes.
    """
    if isinstance(images, list | tuple):
        shapes = sorted({np.shape(image) for image in images})
        if len(shapes) > 1:
            raise InputError(
                f"images: {len(images)} images of different shapes, such as {shapes[0]} and "
                f"{shapes[-1]}; expected one shape, or a folder and experiments/embed.py"
            )
    return np.asarray(images)


def _check_not_one(images: np.ndarray, channels: int) -> None:
    """Refuses what could be a single image without the axis of examples, or several gray ones."""
    is_one = images.ndim == 2 or (images.ndim == 3 and (channels > 1 or images.shape[2] <= 4))
    if is_one and 0 not in images.shape:
        gray = "[n, h, w]" if channels == 1 else "images[..., None] of gray images"
        raise InputError(
            f"images: shape {images.shape} could be one image or several; expected [n, h, w, c], "
            f"such as images[None] of a single image, or {gray}"
        )


def _with_channels(
    name: str, images: np.ndarray, channels: Sequence[int] | None = None
) -> np.ndarray:
    """Returns images as [n, h, w, c], with one of the given numbers of channels, or any."""
    images = np.asarray(images)
    checked = images[..., None] if images.ndim == 3 else images
    wrong = checked.ndim != 4 or 0 in checked.shape
    if wrong or (channels is not None and checked.shape[3] not in channels):
        kinds = " or ".join(f"[n, h, w, {c}]" for c in channels or ("c",))
        gray = "" if channels and 1 not in channels else "[n, h, w], "
        raise InputError(
            f"{name}: shape {images.shape} is not supported; expected images {gray}{kinds}"
            f"{_hint(images.shape)}"
        )
    return checked


def _checked_type(name: str, images: np.ndarray) -> np.ndarray:
    """Returns the images if they are uint8."""
    if images.dtype != np.uint8:
        raise InputError(
            f"{name}: type {images.dtype} is not supported; expected uint8 from 0 to 255"
            + (", or float32 from 0 to 1" if name == "images" else "")
        )
    return images


def _hint(shape: tuple[int, ...]) -> str:
    """Says what kind of images a wrong shape looks like."""
    if 0 in shape:
        return "; there is nothing in it"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the fourth channel, which looks like transparency"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "; the channels come second here: np.moveaxis(images, 1, -1)"
    return ""


def checked_labels(name: str, labels: np.ndarray, count: int) -> np.ndarray:
    """Returns labels as int64 [count].

    Raises:
      InputError: they are not `count` integers from 0 to 2**63 - 1.
    """
    labels = np.asarray(labels)
    integers = np.issubdtype(labels.dtype, np.integer)
    if not integers or labels.shape != (count,) or labels.min() < 0 or labels.max() >= 2**63:
        raise InputError(
            f"{name}: {labels.dtype} {labels.shape} is not valid; "
            f"expected {count} integers from 0 to 2**63 - 1, one per image"
        )
    return labels.astype(np.int64)
