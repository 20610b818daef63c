"""Decorrelation: views agree, and the dimensions of the embedding are not redundant.

These losses depend on the statistics of the batch, so each returns a scalar. With ``axis_name``
(inside ``shard_map`` or ``pmap``) the statistics are those of the whole batch, and every device
returns the same value. As for the contrastive losses, take the ``pmean`` of the loss in
``shard_map`` and of the gradients in ``pmap``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    count_rows,
    in_float32,
    mean_over,
    normalize,
)


def barlow_twins(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    redundancy_weight: Number = 5e-3,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Computes Barlow Twins, a scalar: the cross-correlation of the views must be the identity.

    ``l = sum_i (1 - C_ii)^2 + redundancy_weight * sum_{i != j} C_ij^2``, where ``C_ij`` is the
    correlation of dimension ``i`` of one view with dimension ``j`` of the other. Each dimension is
    divided by sqrt(biased variance + 1e-5).

    Args:
      z1: first views, ``[n, d]``.
      z2: second views of the same examples, ``[n, d]``.
      redundancy_weight: weight of the off-diagonal terms, at least 0.
      axis_name: mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, at least 0.

    Raises:
      ValueError: if the shapes differ.

    References:
      Zbontar et al., Barlow Twins, 2021, eq. 1 and 2, https://arxiv.org/abs/2103.03230
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = (_centered(z, axis_name) for z in in_float32(z1, z2))
    a, b = (
        z / jnp.sqrt(mean_over((z * z).mean(axis=0, keepdims=True), axis_name) + 1e-5)
        for z in (a, b)
    )
    correlation = _second_moment(a, b, axis_name)
    diagonal = jnp.diagonal(correlation)
    off = jnp.sum(correlation**2) - jnp.sum(diagonal**2)
    return jnp.sum((1 - diagonal) ** 2) + redundancy_weight * off


def vicreg(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    invariance: Number = 25.0,
    variance: Number = 25.0,
    covariance: Number = 1.0,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Computes VICReg, a scalar: views agree, every dimension varies, and no two dimensions covary.

    ``l = invariance * mean (z1 - z2)^2 + variance * (v(z1) + v(z2)) / 2 + covariance * (c(z1) +
    c(z2))`` with ``v = mean_j max(0, 1 - sqrt(var_j + 1e-4))`` and
    ``c = sum_{i != j} cov_ij^2 / d``. Variances and covariances are unbiased.

    Args:
      z1: first views, ``[n, d]``, ``n >= 2`` over all devices.
      z2: second views of the same examples, ``[n, d]``.
      invariance: weight of the agreement of the views.
      variance: weight of the hinge on the standard deviations.
      covariance: weight of the squared covariances.
      axis_name: mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, at least 0.

    Raises:
      ValueError: if the shapes differ or there is a single example.

    Example:
      >>> import jax.numpy as jnp
      >>> from ssl_jax import losses
      >>> z = jnp.ones((4, 8))  # collapsed: only the variance term is left, 25 (1 - sqrt(1e-4))
      >>> print(losses.vicreg(z, z).round(2))
      24.75

    References:
      Bardes et al., VICReg, 2022, eq. 1-6, https://arxiv.org/abs/2105.04906; the halved hinge and
      the mean over dimensions in the agreement follow the authors' code.
    """
    check_same_shape(z1=z1, z2=z2)
    z1, z2 = in_float32(z1, z2)
    d = z1.shape[1]
    agreement = mean_over(jnp.mean((z1 - z2) ** 2), axis_name)
    hinges, covariances = [], []
    for z in (z1, z2):
        cov = _covariance(_centered(z, axis_name), axis_name)
        variances = jnp.diagonal(cov)
        hinges.append(jnp.mean(jax.nn.relu(1 - jnp.sqrt(variances + 1e-4))))
        covariances.append((jnp.sum(cov**2) - jnp.sum(variances**2)) / d)
    return (
        invariance * agreement
        + variance * sum(hinges) / 2
        + covariance * (covariances[0] + covariances[1])
    )


def whitening_mse(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    epsilon: Number = 1e-4,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Computes W-MSE, a scalar: the views agree after each batch is whitened.

    ``l = mean of 2 - 2 cos(w1, w2)`` with ``w = L^-1 (z - mean)``, where ``L L^T`` is the unbiased
    covariance plus ``epsilon I`` (Cholesky). The authors' code shrinks the covariance by
    ``1 - epsilon`` first. Whitened batches cannot collapse.

    Args:
      z1: first views, ``[n, d]``, ``n > d`` over all devices for a covariance of full rank.
      z2: second views of the same examples, ``[n, d]``.
      epsilon: added to the diagonal of the covariances, above 0.
      axis_name: mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, from 0 to 4.

    Raises:
      ValueError: if the shapes differ or there is a single example.

    References:
      Ermolov et al., Whitening for Self-Supervised Representation Learning, 2021, eq. 3-5,
      https://arxiv.org/abs/2007.06346
    """
    check_same_shape(z1=z1, z2=z2)
    w1, w2 = (_whitened(z, epsilon, axis_name) for z in in_float32(z1, z2))
    return mean_over(jnp.mean(2 - 2 * jnp.sum(normalize(w1) * normalize(w2), axis=-1)), axis_name)


def cca(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    components: int | None = None,
    epsilon: Number = 1e-4,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Computes deep CCA, a scalar: minus the sum of the canonical correlations of the views.

    ``l = -sum of the largest singular values of L1^-1 C12 L2^-T``, where ``L L^T`` is the biased
    covariance of a view plus ``epsilon I``, and ``C12`` the cross-covariance of both.

    Args:
      z1: first views, ``[n, d]``, ``n > d`` over all devices for covariances of full rank.
      z2: second views of the same examples, ``[n, d]``.
      components: number of correlations to sum, the largest first; None sums all.
      epsilon: added to the diagonal of the covariances, above 0.
      axis_name: mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, from ``-d`` to 0.

    Raises:
      ValueError: if the shapes differ.

    References:
      Andrew et al., Deep Canonical Correlation Analysis, ICML 2013, eq. 10 and section 3.1.
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = (_centered(z, axis_name) for z in in_float32(z1, z2))
    identity = epsilon * jnp.eye(a.shape[1], dtype=a.dtype)
    la, lb = (jnp.linalg.cholesky(_second_moment(z, z, axis_name) + identity) for z in (a, b))
    left = jax.scipy.linalg.solve_triangular(la, _second_moment(a, b, axis_name), lower=True)
    both = jax.scipy.linalg.solve_triangular(lb, left.T, lower=True)
    correlations = jnp.linalg.svd(both, compute_uv=False)
    return -jnp.sum(correlations[:components])


def _centered(z: Float[Array, "n d"], axis_name: str | None) -> Float[Array, "n d"]:
    return z - mean_over(z.mean(axis=0, keepdims=True), axis_name)


def _second_moment(
    a: Float[Array, "n d"], b: Float[Array, "n d"], axis_name: str | None
) -> Float[Array, "d d"]:
    """Returns the mean of ``a_i b_j`` over the whole batch."""
    product = jnp.matmul(a.T, b, precision=jax.lax.Precision.HIGHEST)
    return mean_over(product / len(a), axis_name)


def _covariance(centered: Float[Array, "n d"], axis_name: str | None) -> Float[Array, "d d"]:
    """Returns the unbiased covariance over the whole batch."""
    n = count_rows(centered, axis_name)
    if n < 2:
        raise ValueError(
            f"an unbiased covariance needs at least two examples: shape {centered.shape}"
        )
    return _second_moment(centered, centered, axis_name) * (n / (n - 1))


def _whitened(
    z: Float[Array, "n d"], epsilon: Number, axis_name: str | None
) -> Float[Array, "n d"]:
    centered = _centered(z, axis_name)
    covariance = _covariance(centered, axis_name)
    factor = jnp.linalg.cholesky(covariance + epsilon * jnp.eye(z.shape[1], dtype=z.dtype))
    return jax.scipy.linalg.solve_triangular(factor, centered.T, lower=True).T
