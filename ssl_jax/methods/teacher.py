"""Teachers: networks that no gradient trains, but that follow a student at a distance."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar


def follow(teacher: Any, student: Any, momentum: Scalar | float) -> Any:
    """The exponential moving average ``momentum * teacher + (1 - momentum) * student``.

    Args:
      teacher: a pytree.
      student: a pytree of the same structure.
      momentum: 1 leaves the teacher as it is, 0 makes it the student.

    Returns:
      The teacher moved, in its own types.

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, eq. 2,
      https://arxiv.org/abs/1911.05722
    """
    return jax.tree.map(
        lambda t, s: (momentum * t + (1 - momentum) * s).astype(t.dtype), teacher, student
    )


def cosine(start: float, end: float, step: Int[Array, ""], steps: int) -> Float[Array, ""]:
    """From ``start`` at step 0 to ``end`` at step ``steps`` by half a cosine.

    ``end - (end - start) * (cos(pi * step / steps) + 1) / 2``, and ``end`` from then on.

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, section 3.3, https://arxiv.org/abs/2006.07733
    """
    share = jnp.minimum(step / steps, 1.0)
    return end - (end - start) * (jnp.cos(jnp.pi * share) + 1) / 2
