"""Transforms of features whose statistics come from the training examples alone."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Transform = Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m d"]]
_ROWS = 256  # whose float64 intermediates fit in a core's cache


def raw(train: Float[np.ndarray, "n d"]) -> Transform:
    """Returns the identity."""
    del train
    return lambda z: z


def centered(train: Float[np.ndarray, "n d"]) -> Transform:
    """Returns the function that subtracts the mean of ``train``."""
    mean = train.mean(axis=0, dtype=np.float64)
    return lambda z: _by_rows(z, lambda rows: rows - mean)


def standardized(train: Float[np.ndarray, "n d"]) -> Transform:
    """Returns the function that subtracts the mean of ``train`` and divides by its deviation.

    A feature that varies by no more than rounding becomes 0.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    parts = (train[start : start + _ROWS] for start in range(0, len(train), _ROWS))
    variance = sum(np.square(part - mean).sum(axis=0) for part in parts) / len(train)
    deviation = np.sqrt(variance)
    varies = deviation > np.finfo(np.float32).eps * np.abs(train).max(axis=0)
    scale = varies / np.where(varies, deviation, 1)
    return lambda z: _by_rows(z, lambda rows: (rows - mean) * scale)


TRANSFORMS: dict[str, Callable[[np.ndarray], Transform]] = {
    "raw": raw,
    "centered": centered,
    "standardized": standardized,
}


def _by_rows(
    z: Float[np.ndarray, "m d"], function: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "m d"]:
    """Applies the function to a few rows at a time and returns all of them in float32."""
    result = np.empty(z.shape, np.float32)
    for start in range(0, len(z), _ROWS):
        rows = slice(start, start + _ROWS)
        result[rows] = function(z[rows])
    return result
