"""Teachers: networks that no gradient trains, but that follow a student at a distance."""

from typing import Any

import jax
from jaxtyping import Scalar


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
