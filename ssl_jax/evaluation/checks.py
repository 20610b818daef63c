"""Checks of features and labels."""

import numpy as np
from jaxtyping import Array, Float, Int


def check_features(
    train_z: Float[Array | np.ndarray, "n d"], test_z: Float[Array | np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Returns both sets of features in float32.

    Raises:
      ValueError: a set is empty, its features are not finite, or the widths differ.
    """
    train, test = (np.asarray(z).astype(np.float32) for z in (train_z, test_z))
    shapes = f"train_z has shape {train.shape}, test_z has shape {test.shape}"
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"{shapes}: expected [n, d] and [m, d]")
    if train.size == 0 or test.size == 0:
        raise ValueError(f"{shapes}: both must hold examples")
    for name, z in (("train_z", train), ("test_z", test)):
        if not np.isfinite(z).all():
            raise ValueError(f"{name} of shape {z.shape} holds NaN or infinity")
    return train, test


def check_labels(
    name: str, y: Int[Array | np.ndarray, " n"], z_name: str, z: Float[Array | np.ndarray, "n d"]
) -> Int[np.ndarray, " n"]:
    """Returns the labels as integers.

    Raises:
      ValueError: the labels are not integers of at least 0, one for each row of z.
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.shape != np.shape(z)[:1] or labels.size == 0:
        raise ValueError(f"{name} has shape {labels.shape}, {z_name} has shape {np.shape(z)}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"{name} must hold integers from 0, got {labels.dtype} {labels.min()}")
    return labels.astype(int)
