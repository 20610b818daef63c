"""Decorrelation: views agree, and the dimensions of the embedding say different things.

These are losses over the statistics of the batch: each returns a scalar. With ``axis_name`` (inside
``shard_map`` or ``pmap``) the statistics are those of the whole batch, and every device returns the
same value; take the ``pmean`` of the loss in ``shard_map``, of the gradients in ``pmap``, as the
contrastive losses do.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.losses._shared import (
    Number,
    check_same_shape,
    in_float32,
    mean_over,
    rows_of_all,
    unit,
)


def barlow_twins(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    redundancy_weight: Number = 5e-3,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Barlow Twins, a scalar: the views' cross-correlation matrix is to be the identity.

    ``l = sum_i (1 - C_ii)^2 + redundancy_weight * sum_{i != j} C_ij^2``, ``C`` the correlation of
    dimension ``i`` of one view and ``j`` of the other; each is divided by sqrt(biased variance +
    1e-5).

    Args:
      z1: ``[n, d]``.
      z2: ``[n, d]``; row ``i`` is another view of ``z1``'s row ``i``.
      redundancy_weight: at least 0.
      axis_name: the mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, at least 0.

    Raises:
      ValueError: the shapes differ.

    References:
      Zbontar et al., Barlow Twins, 2021, eq. 1 and 2, https://arxiv.org/abs/2103.03230
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = (_centered(z, axis_name) for z in in_float32(z1, z2))
    a, b = (z / jnp.sqrt(mean_over((z * z).mean(axis=0), axis_name) + 1e-5) for z in (a, b))
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
    """VICReg, a scalar: views agree, every dimension varies, no two dimensions covary.

    ``l = invariance * mean (z1 - z2)^2 + variance * (v(z1) + v(z2)) / 2 + covariance * (c(z1) +
    c(z2))`` with ``v = mean_j max(0, 1 - sqrt(var_j + 1e-4))`` and ``c = sum_{i != j} cov_ij^2 /
    d``, variances and covariances unbiased.

    Args:
      z1: ``[n, d]``, ``n >= 2`` over all devices.
      z2: ``[n, d]``; row ``i`` is another view of ``z1``'s row ``i``.
      invariance: weight of the agreement.
      variance: weight of the hinge.
      covariance: weight of the covariances.
      axis_name: the mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, at least 0.

    Raises:
      ValueError: the shapes differ, or there is a single example.

    References:
      Bardes et al., VICReg, 2022, eq. 1-6, https://arxiv.org/abs/2105.04906; the authors' code for
      the halved hinge and the mean over dimensions in the agreement.
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
    """W-MSE, a scalar: the views agree after each batch was whitened.

    ``l = mean of 2 - 2 cos(w1, w2)``, ``w = L^-1 (z - mean)`` with ``L L^T`` the unbiased
    covariance plus ``epsilon I`` (Cholesky; the authors' code shrinks the covariance by ``1 -
    epsilon`` first). Whitened batches cannot collapse.

    Args:
      z1: ``[n, d]``, ``n > d`` over all devices for a covariance of full rank.
      z2: ``[n, d]``; row ``i`` is another view of ``z1``'s row ``i``.
      epsilon: above 0.
      axis_name: the mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, from 0 to 4.

    Raises:
      ValueError: the shapes differ, or there is a single example.

    References:
      Ermolov et al., Whitening for Self-Supervised Representation Learning, 2021, eq. 3-5,
      https://arxiv.org/abs/2007.06346
    """
    check_same_shape(z1=z1, z2=z2)
    w1, w2 = (_whitened(z, epsilon, axis_name) for z in in_float32(z1, z2))
    return mean_over(jnp.mean(2 - 2 * jnp.sum(unit(w1) * unit(w2), axis=-1)), axis_name)


def cca(
    z1: Float[Array, "n d"],
    z2: Float[Array, "n d"],
    *,
    components: int | None = None,
    epsilon: Number = 1e-4,
    axis_name: str | None = None,
) -> Float[Array, ""]:
    """Deep CCA, a scalar: minus the sum of the views' canonical correlations.

    ``l = -sum of the largest singular values of L1^-1 C12 L2^-T`` with ``L L^T`` each view's biased
    covariance plus ``epsilon I``, and ``C12`` their cross-covariance.

    Args:
      z1: ``[n, d]``, ``n > d`` over all devices for covariances of full rank.
      z2: ``[n, d]``; row ``i`` is another view of ``z1``'s row ``i``.
      components: how many correlations to sum, the largest first; None sums all.
      epsilon: above 0.
      axis_name: the mapped axis over whose devices the statistics are taken.

    Returns:
      A scalar in float32 or wider, from ``-d`` to 0.

    Raises:
      ValueError: the shapes differ.

    References:
      Andrew et al., Deep Canonical Correlation Analysis, ICML 2013, eq. 10 and section 3.1.
    """
    check_same_shape(z1=z1, z2=z2)
    a, b = (_centered(z, axis_name) for z in in_float32(z1, z2))
    identity = epsilon * jnp.eye(a.shape[1], dtype=a.dtype)
    la, lb = (jnp.linalg.cholesky(_second_moment(z, z, axis_name) + identity) for z in (a, b))
    half = jax.scipy.linalg.solve_triangular(la, _second_moment(a, b, axis_name), lower=True)
    whole = jax.scipy.linalg.solve_triangular(lb, half.T, lower=True)
    correlations = jnp.linalg.svd(whole, compute_uv=False)
    return -jnp.sum(correlations[:components])


def _centered(z: Float[Array, "n d"], axis_name: str | None) -> Float[Array, "n d"]:
    return z - mean_over(z.mean(axis=0), axis_name)


def _second_moment(
    a: Float[Array, "n d"], b: Float[Array, "n d"], axis_name: str | None
) -> Float[Array, "d d"]:
    """Mean over the whole batch of ``a_i b_j``."""
    product = jnp.matmul(a.T, b, precision=jax.lax.Precision.HIGHEST)
    return mean_over(product / len(a), axis_name)


def _covariance(centered: Float[Array, "n d"], axis_name: str | None) -> Float[Array, "d d"]:
    """Unbiased, of the whole batch."""
    n = rows_of_all(centered, axis_name)
    if n < 2:
        raise ValueError(f"an unbiased covariance takes two examples: shape {centered.shape}")
    return _second_moment(centered, centered, axis_name) * (n / (n - 1))


def _whitened(
    z: Float[Array, "n d"], epsilon: Number, axis_name: str | None
) -> Float[Array, "n d"]:
    centered = _centered(z, axis_name)
    covariance = _covariance(centered, axis_name)
    factor = jnp.linalg.cholesky(covariance + epsilon * jnp.eye(z.shape[1], dtype=z.dtype))
    return jax.scipy.linalg.solve_triangular(factor, centered.T, lower=True).T
