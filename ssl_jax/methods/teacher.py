"""Teachers: networks that no gradient trains, but that follow a student at a distance."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Scalar


def start(params: Any, stats: Any) -> dict[str, Any]:
    """The teacher at the start, ``{"params": ..., "stats": ...}``: the student, in its own memory.

    A step reuses the buffers of what it is given, so none may be there twice.
    """
    return jax.tree.map(jnp.copy, {"params": params, "stats": stats})


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
