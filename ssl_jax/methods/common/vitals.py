"""Vital signs: metrics of each step by which ``report.collapse`` judges whether a run is healthy.

A method merges them into its metrics. If the loss of an output that ignores the input is known
(``log k`` for a choice among ``k``), the method adds it as ``chance_loss``.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.methods.base import Metrics

_EPSILON = 1e-7


def of_embeddings(z: Float[Array, "n d"]) -> Metrics:
    """Measures whether embeddings point in many directions.

    Args:
      z: ``[n, d]``, the embeddings of one view, at any scale: they are normalized inside. No
        gradient flows back.

    Returns:
      ``embedding_std``: standard deviation of the normalized embeddings, averaged over features;
      about ``1 / sqrt(d)`` if they are spread over the sphere, 0 if all point the same way.
      ``embedding_rank``: how many directions they vary in, as the participation ratio
      ``tr(C)^2 / tr(C^2)`` of their covariance ``C``: from 1 (along a line) to ``min(n - 1, d)``.
      Unlike RankMe it needs no eigenvalues, and costs one matrix product per step.
      ``embedding_size``: ``d``.

    References:
      Chen, He, Exploring Simple Siamese Representation Learning, 2021, section 4.1, for the
      standard deviation, https://arxiv.org/abs/2011.10566; Gao et al., A Theory of Multineuronal
      Dimensionality, Dynamics and Measurement, 2017, for the ratio,
      https://www.biorxiv.org/content/10.1101/214262
    """
    z = jax.lax.stop_gradient(z).astype(jnp.float32)
    z = z / jnp.maximum(jnp.linalg.norm(z, axis=-1, keepdims=True), _EPSILON)
    centered = z - z.mean(axis=0)
    narrow = centered.T if z.shape[0] > z.shape[1] else centered
    products = jnp.matmul(narrow, narrow.T, precision="highest")
    total = jnp.trace(products)
    return {
        "embedding_std": z.std(axis=0).mean(),
        "embedding_rank": total**2 / jnp.maximum(jnp.sum(products**2), _EPSILON**2),
        "embedding_size": jnp.float32(z.shape[-1]),
    }


def of_prototypes(targets: Float[Array, "n k"]) -> Metrics:
    """Measures whether a teacher's choices among prototypes are confident and varied.

    Args:
      targets: ``[n, k]``, the probabilities of one view. No gradient flows back.

    Returns:
      ``target_entropy``: mean entropy of an example's choice; ``log k`` if all are uniform.
      ``prototypes_used``: exponential of the entropy of the mean choice; 1 if all examples choose
        the same prototype.
      ``prototypes``: ``k``.
    """
    targets = jax.lax.stop_gradient(targets).astype(jnp.float32)
    return {
        "target_entropy": _entropy(targets).mean(),
        "prototypes_used": jnp.exp(_entropy(targets.mean(axis=0))),
        "prototypes": jnp.float32(targets.shape[-1]),
    }


def of_choice(k: int) -> Metrics:
    """Returns the ``chance_loss`` of a cross-entropy among ``k`` choices: ``log k``."""
    return {"chance_loss": jnp.float32(math.log(k))}


def of_event(share: float) -> Metrics:
    """Returns the ``chance_loss`` of a binary cross-entropy: the entropy of the event.

    Args:
      share: share of examples with the event, above 0 and below 1.
    """
    return {"chance_loss": _entropy(jnp.float32([share, 1 - share]))}


def _entropy(p: Float[Array, "*b k"]) -> Float[Array, "*b"]:
    return -jax.scipy.special.xlogy(p, p).sum(axis=-1)
