"""Vital signs: what a method tells of itself at every step, for ``evaluation.collapse`` to read.

A method merges them into its metrics, beside ``chance_loss``, the loss of an output that says
nothing of the input (``log k`` where one of ``k`` has to be found), if there is such a value.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.methods.base import Metrics

_ROWS = 256  # of the batch, for the rank, whose cost is cubic
_EPSILON = 1e-7


def of_embeddings(z: Float[Array, "n d"]) -> Metrics:
    """Whether embeddings point in many directions.

    Args:
      z: ``[n, d]`` of one view, any scale: normalised inside; no gradient is taken.

    Returns:
      ``embedding_std``: of the normalised embeddings, the mean over features; about
      ``1 / sqrt(d)`` where they spread over the sphere, 0 where all point the same way.
      ``embedding_rank``: RankMe of at most 256 of them, from 1 to ``min(n, d)``.
      ``embedding_size``: ``d``.

    References:
      Chen, He, Exploring Simple Siamese Representation Learning, 2021, section 4.1, for the
      deviation, https://arxiv.org/abs/2011.10566; Garrido et al., RankMe, 2023, eq. 1,
      https://arxiv.org/abs/2210.02885
    """
    z = jax.lax.stop_gradient(z).astype(jnp.float32)
    z = z / jnp.maximum(jnp.linalg.norm(z, axis=-1, keepdims=True), _EPSILON)
    return {
        "embedding_std": z.std(axis=0).mean(),
        "embedding_rank": _rankme(z[:_ROWS]),
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


def _rankme(z: Float[Array, "n d"]) -> Float[Array, ""]:
    small = z.T @ z if z.shape[0] > z.shape[1] else z @ z.T
    singular = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(small), 0))
    return jnp.exp(_entropy(singular / jnp.maximum(singular.sum(), _EPSILON) + _EPSILON))


def _entropy(p: Float[Array, "*b k"]) -> Float[Array, "*b"]:
    return -jax.scipy.special.xlogy(p, p).sum(axis=-1)
