"""Vital signs: what a method tells of itself at every step, for ``evaluation.collapse`` to read.

A method merges them into its metrics, beside ``chance_loss``, the loss of an output that says
nothing of the input (``log k`` where one of ``k`` has to be found), if there is such a value.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.methods.base import Metrics

_EPSILON = 1e-7


def of_embeddings(z: Float[Array, "n d"]) -> Metrics:
    """Whether embeddings point in many directions.

    Args:
      z: ``[n, d]`` of one view, any scale: normalised inside; no gradient is taken.

    Returns:
      ``embedding_std``: of the normalised embeddings, the mean over features; about
      ``1 / sqrt(d)`` where they spread over the sphere, 0 where all point the same way.
      ``embedding_rank``: in how many directions they vary, ``tr(C)^2 / tr(C^2)`` of their
      covariance ``C``, the participation ratio: from 1 (along a line) to ``min(n - 1, d)``. Unlike
      RankMe it takes no eigenvalues, and costs one product a step.
      ``embedding_size``: ``d``.

    References:
      Chen, He, Exploring Simple Siamese Representation Learning, 2021, section 4.1, for the
      deviation, https://arxiv.org/abs/2011.10566; Gao et al., A Theory of Multineuronal
      Dimensionality, Dynamics and Measurement, 2017, for the ratio,
      https://www.biorxiv.org/content/10.1101/214262
    """
    z = jax.lax.stop_gradient(z).astype(jnp.float32)
    z = z / jnp.maximum(jnp.linalg.norm(z, axis=-1, keepdims=True), _EPSILON)
    centred = z - z.mean(axis=0)
    narrow = centred.T if z.shape[0] > z.shape[1] else centred
    products = jnp.matmul(narrow, narrow.T, precision="highest")
    total = jnp.trace(products)
    return {
        "embedding_std": z.std(axis=0).mean(),
        "embedding_rank": total**2 / jnp.maximum(jnp.sum(products**2), _EPSILON**2),
        "embedding_size": jnp.float32(z.shape[-1]),
    }


def of_prototypes(targets: Float[Array, "n k"]) -> Metrics:
    """Whether a teacher's choices among prototypes are sure, and not all the same.

    Args:
      targets: ``[n, k]`` probabilities of one view; no gradient is taken.

    Returns:
      ``target_entropy``: of an example's choice, the mean; ``log k`` where all are uniform.
      ``prototypes_used``: the exponential of the mean choice's entropy: 1 where all choose one.
      ``prototypes``: ``k``.
    """
    targets = jax.lax.stop_gradient(targets).astype(jnp.float32)
    return {
        "target_entropy": _entropy(targets).mean(),
        "prototypes_used": jnp.exp(_entropy(targets.mean(axis=0))),
        "prototypes": jnp.float32(targets.shape[-1]),
    }


def of_choice(k: int) -> Metrics:
    """``chance_loss`` of a cross-entropy that finds one of ``k``: ``log k``."""
    return {"chance_loss": jnp.float32(math.log(k))}


def of_event(share: float) -> Metrics:
    """``chance_loss`` of a cross-entropy that tells whether something is so: the entropy of that.

    Args:
      share: of the examples for which it is, above 0 and below 1.
    """
    return {"chance_loss": _entropy(jnp.float32([share, 1 - share]))}


def _entropy(p: Float[Array, "*b k"]) -> Float[Array, "*b"]:
    return -jax.scipy.special.xlogy(p, p).sum(axis=-1)
