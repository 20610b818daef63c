"""The effective rank of a set of features."""

import numpy as np
from jaxtyping import Array, Float

_EPSILON = 1e-7


def rankme(z: Float[Array | np.ndarray, "n d"]) -> float:
    """Returns the effective rank: how many directions the features use.

    ``exp(-sum_k p_k log p_k)`` with ``p_k = sigma_k(z) / sum_j sigma_j(z) + 1e-7``, over the
    min(n, d) singular values of `z`. The features are neither centered nor normalized.

    The singular values are the square roots of the eigenvalues of the smaller Gram matrix, in
    float64. Values below 1e-8 of the largest are lost to rounding; the formula's own 1e-7 hides
    them anyway.

    Args:
      z: features, any real dtype.

    Returns:
      The effective rank, from 1 (all rows on one line) to min(n, d); 0 if `z` is all zeros.

    Raises:
      ValueError: `z` is not a non-empty matrix, or holds NaN or infinity.

    References:
      Garrido et al. 2023, RankMe: Assessing the Downstream Performance of Pretrained
      Self-Supervised Representations by Their Rank, equation 1. https://arxiv.org/abs/2210.02885
    """
    z = np.asarray(z).astype(np.float64)
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"z must be a non-empty [n, d], got shape {z.shape}")
    largest = np.abs(z).max()
    if not np.isfinite(largest):
        raise ValueError(f"z of shape {z.shape} holds NaN or infinity")
    if largest == 0:
        return 0.0
    z = z / largest
    gram = z.T @ z if z.shape[0] > z.shape[1] else z @ z.T
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    p = singular / singular.sum() + _EPSILON
    return float(np.exp(-np.sum(p * np.log(p))))
