"""The range of values of images that have more than 8 bits, or floats."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_jax.data import formats, memory, pixels

_IMAGES = 2000


def measure(paths: Sequence[Path], images: int = _IMAGES) -> pixels.Values | None:
    """Measures the smallest and the largest value, on evenly spaced image files.

    Args:
      paths: the files; those that cannot be decoded are skipped.
      images: maximum number of files to read.

    Returns:
      The two values, of which the second is larger; None if no file can be decoded.
    """

    def ends(path: Path) -> pixels.Values | None:
        try:
            with Image.open(path, formats=formats.FORMATS) as image:
                return pixels.smallest_and_largest(image)
        except Exception:  # Pillow's decoders raise exceptions of almost any type
            return None

    rows = np.unique(np.linspace(0, len(paths) - 1, images).astype(int)).tolist()
    found = memory.each(ends, [paths[row] for row in rows], "measuring the range of values")
    known = [pair for pair in found if pair is not None]
    if not known:
        return None
    low, high = min(low for low, _ in known), max(high for _, high in known)
    return low, high if high > low else low + 1
