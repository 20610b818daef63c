"""Schedules of values that change over a run, as functions of the step."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cosine(start: float, end: float, step: Int[Array, ""], steps: int) -> Float[Array, ""]:
    """Goes from ``start`` at step 0 to ``end`` at step ``steps`` along half a cosine.

    ``end - (end - start) * (cos(pi * step / steps) + 1) / 2``, and ``end`` after that.

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, section 3.3, https://arxiv.org/abs/2006.07733
    """
    share = jnp.minimum(step / steps, 1.0)
    return end - (end - start) * (jnp.cos(jnp.pi * share) + 1) / 2


def linear(start: float, end: float, step: Int[Array, ""], steps: int) -> Float[Array, ""]:
    """Goes linearly from ``start`` at step 0 to ``end`` at step ``steps``, and stays there."""
    share = jnp.minimum(step / steps, 1.0) if steps else jnp.float32(1)
    return start + (end - start) * share
