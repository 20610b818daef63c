"""Quarter turns, pixel by pixel."""

import numpy as np


def turn(image, k):
    """Turn counterclockwise k times: each pixel at (i, j) moves to (h - 1 - j, i)."""
    out = np.asarray(image)
    for _ in range(k):
        before, out = out, np.empty_like(out)
        h = len(before)
        for i in range(h):
            for j in range(h):
                out[h - 1 - j, i] = before[i, j]
    return out
