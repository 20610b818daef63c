"""How pictures of any shape become arrays of one shape.

By default a picture is resized until its shorter side has ``data.image_size`` pixels, and its
center is cut out. Training and evaluation see that square.

With ``data.stored_size`` nothing is cut off: the whole picture is squeezed into a square of that
many pixels, and its aspect ratio is kept beside it. Training crops its views out of the whole
picture (``augment.random_resized_crop``). Evaluation sees the center, cut out of the same store.
"""

from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ssl_jax.data import pixels
from ssl_jax.data.dataset import Example, Source, Subset, labels_of
from ssl_jax.errors import InputError


class Frame(NamedTuple):
    """The shape of pictures.

    Attributes:
      size: side of the square that encoders see, in pixels.
      channels: 1 for gray, 3 for color, or those of arrays.
      stored: side of the square that holds the whole picture; None: only its center is kept.
      share: of the shorter side that evaluation sees; 1 without ``stored``.
      values: of pictures of more than 8 bits, the values that become black and white; see
        ``pixels.fit``.
    """

    size: int
    channels: int
    stored: int | None = None
    share: float = 1.0
    values: pixels.Values | None = None

    @property
    def side(self) -> int:
        """The side of the arrays that are kept, in pixels."""
        return self.stored or self.size

    def decode(self, file: str | IO[bytes]) -> Example:
        """Reads an image file; see ``pixels.opened`` for what it raises."""
        with pixels.opened(file, self.side) as image:
            return self.fit(image)

    def fit(self, image: Image.Image) -> Example:
        """Returns ``image``, uint8 ``[side, side, channels]``; if stored whole, also ``aspect``.

        The aspect is the picture's width divided by its height, float32 ``[]``.
        """
        if self.stored is None:
            return {"image": pixels.fit(image, self.size, self.channels, self.values)}
        return {
            "image": pixels.squeeze(image, self.stored, self.channels, self.values),
            "aspect": np.asarray(image.width / image.height, np.float32),
        }

    def fit_array(self, pixels: UInt8[np.ndarray, "h w c"]) -> Example:
        """Does the same as ``fit``; with other than 1 or 3 channels, ``c`` is ``channels``."""
        if pixels.shape[-1] in (1, 3):
            return self.fit(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
        planes = np.moveaxis(pixels, -1, 0)
        gray = self._replace(channels=1)
        fitted = [gray.fit(Image.fromarray(np.ascontiguousarray(plane))) for plane in planes]
        return fitted[0] | {"image": np.concatenate([each["image"] for each in fitted], axis=-1)}

    def center(self, example: Example) -> Example:
        """Returns the example as evaluation sees it: its center, ``[size, size, channels]``."""
        if "aspect" not in example:
            return example
        others = {name: x for name, x in example.items() if name != "aspect"}
        share = self.share, float(example["aspect"])
        return others | {"image": pixels.center(example["image"], self.size, *share)}

    def blank(self) -> Example:
        """Returns a black picture as evaluation sees it."""
        return {"image": np.zeros((self.size, self.size, self.channels), np.uint8)}


def frame_of(config_data: Mapping[str, Any]) -> Frame:
    """Returns the frame of ``config.data`` with the facts of its data."""
    return Frame(
        config_data["image_size"],
        config_data["channels"],
        config_data.get("stored_size"),
        config_data.get("center_crop", 1.0),
        _pair(config_data.get("value_range")),
    )


def _pair(values: Sequence[float] | None) -> pixels.Values | None:
    """Returns the range of values of image files; arrays may have one per channel instead."""
    return (values[0], values[1]) if values is not None and len(values) == 2 else None


class Centers:
    """The centers of pictures that another source stores whole."""

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
        return self.frame.center(self.source[index])


def centers(source: Source, frame: Frame) -> Source:
    """Returns a source of the centers, or the source itself if it stores nothing else."""
    return source if frame.stored is None else Centers(source, frame)


def whole(source: Source) -> Source:
    """Returns the examples of a source with their whole pictures; undoes ``centers``."""
    match source:
        case Centers():
            return source.source
        case Subset():
            return Subset(whole(source.source), source.indices)
    return source


def check_whole(example: Example, stored_size: int | None) -> None:
    """Checks that a training example is stored whole if ``data.stored_size`` asks for it.

    Raises:
      InputError: it is not.
    """
    if stored_size is not None and "aspect" not in example:
        raise InputError(
            f"data.stored_size: {stored_size}, but the data has no whole pictures; expected None"
        )
