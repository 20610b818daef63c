"""The range of values of images that have more than 8 bits, or floats."""

from collections.abc import Callable
from typing import IO

import numpy as np

from ssl_jax.data import memory, pixels

_IMAGES = 2000


def measure(
    count: int, file: Callable[[int], str | IO[bytes]], images: int = _IMAGES
) -> pixels.Values | None:
    """Measures the smallest and the largest value, on evenly spaced image files.

    Images of 8 bits, and those that cannot be decoded or take too much memory, are skipped.

    Args:
      count: how many files there are.
      file: returns the path of a file, or the open file.
      images: maximum number of files to read.

    Returns:
      The two values, of which the second is larger; None if there are none.
    """

    def ends(row: int) -> pixels.Values | None:
        try:
            with pixels.opened(file(row), shorter=1) as image:
                is_deep = pixels.depth(image) is pixels.Depth.DEEP
                return pixels.smallest_and_largest(image) if is_deep else None
        except Exception:  # Pillow's decoders raise exceptions of almost any type
            return None

    rows = np.unique(np.linspace(0, count - 1, images).astype(int)).tolist()
    found = memory.each(ends, rows, "measuring the range of values")
    known = [pair for pair in found if pair is not None]
    if not known:
        return None
    low, high = min(low for low, _ in known), max(high for _, high in known)
    return low, high if high > low else low + 1
