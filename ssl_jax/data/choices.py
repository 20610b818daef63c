"""Chooses the shape of examples from the headers of images: size, channels, range of values."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.data.files import Header
from ssl_jax.data.frame import Frame
from ssl_jax.data.options import Options
from ssl_jax.data.pixels import Depth, Values

NOT_KEPT = "images are decoded on every read: they do not fit in data.cache_mib"
_LARGEST = 64
_SMALLEST = 16


class Choices(NamedTuple):
    """The frame of images, the facts of their data, and notes for the user."""

    frame: Frame
    facts: dict[str, Any]
    notes: list[str]


def choose(
    options: Options, headers: Sequence[Header], measure: Callable[[], Values | None]
) -> Choices:
    """Chooses what the options leave open.

    The size is that of ``choose_size``. There is one channel if all images are gray, else three.

    Args:
      options: of which `image_size`, `channels` and `value_range` are used where they are given.
      headers: of the images, or of a sample of them; at least one.
      measure: returns the smallest and the largest value of the images with more than 8 bits, or
        None; it is called if there are such images.
    """
    size = options.image_size or choose_size([header.shorter for header in headers])
    gray = all(header.depth.is_gray for header in headers)
    channels = options.channels or (1 if gray else 3)
    facts: dict[str, Any] = {"modality": "image", "image_size": size, "channels": channels}
    depths = Counter(header.depth for header in headers)
    values = None
    if depths[Depth.DEEP]:
        given = options.value_range
        values = measure() if given is None else (given[0], given[1])
    if values is not None:
        facts["value_range"] = values
    return Choices(options.frame(size, channels, values), facts, _notes(headers, size, values))


def choose_size(shorter_sides: Sequence[int]) -> int:
    """Returns the image size to use if the config sets none.

    It is the median of the shorter sides, rounded down to a multiple of 4, from 16 to 64.
    """
    median = min(int(np.median(shorter_sides)), _LARGEST)
    return max(median // 4 * 4, _SMALLEST)


def _notes(headers: Sequence[Header], size: int, values: Values | None) -> list[str]:
    """Returns notes on images that are enlarged or lose depth."""
    notes = []
    if (typical := np.median([header.shorter for header in headers])) < size:
        notes.append(
            f"half of the images have a shorter side of {typical:.0f} pixels or less; all are "
            f"enlarged to data.image_size {size}"
        )
    if values is not None:
        notes.append(
            f"images of more than 8 bits: {values[0]:g} becomes black and {values[1]:g} white "
            "(data.value_range)"
        )
    if any(header.depth is Depth.CUT for header in headers):
        notes.append("of color images with 16 bits a channel, the upper 8 are read")
    return notes
