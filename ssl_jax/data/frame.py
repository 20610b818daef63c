"""How pictures of any shape become arrays of one shape.

By default a picture is resized until its shorter side has ``data.image_size`` pixels, and its
center is cut out. Training and evaluation see that square.

With ``data.stored_size`` nothing is cut off: the whole picture is squeezed into a square of that
many pixels, and its aspect ratio is kept beside it. Training crops its views out of the whole
picture (``augment.random_resized_crop``). Evaluation sees the center, cut out of the same store.
"""

from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image

from ssl_jax.data import pixels
from ssl_jax.data.dataset import Example, Source, Subset, labels_of
from ssl_jax.errors import InputError


class Frame(NamedTuple):
    """The shape of pictures.

    Attributes:
      size: side of the square that encoders see, in pixels.
      channels: 1 or 3.
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
        config_data.get("value_range"),
    )


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
