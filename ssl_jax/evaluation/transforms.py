"""Transforms of features whose statistics come from the training examples alone."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Pair = tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]


def raw(train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"]) -> Pair:
    """Returns both sets as they are."""
    return train, test


def centered(train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"]) -> Pair:
    """Subtracts the mean of ``train`` from both sets."""
    mean = train.mean(axis=0, dtype=np.float64)
    return _float32(train - mean), _float32(test - mean)


def standardized(train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"]) -> Pair:
    """Subtracts the mean of ``train`` from both sets, and divides by its standard deviation.

    A feature that varies by no more than rounding becomes 0.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    varies = deviation > np.finfo(np.float32).eps * np.abs(train).max(axis=0)
    scale = varies / np.where(varies, deviation, 1)
    return _float32((train - mean) * scale), _float32((test - mean) * scale)


TRANSFORMS: dict[str, Callable[[np.ndarray, np.ndarray], Pair]] = {
    "raw": raw,
    "centered": centered,
    "standardized": standardized,
}


def _float32(x: np.ndarray) -> Float[np.ndarray, "n d"]:
    return x.astype(np.float32)
