"""Teachers: networks that slowly follow a student and get no gradient of their own."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Scalar

from ssl_jax.methods.base import Extra, Params


def start(params: Any, stats: Any) -> dict[str, Any]:
    """Returns a new teacher, ``{"params": ..., "stats": ...}``: a copy of the student.

    The arrays are real copies: a step donates the buffers of its input, so none may occur twice.
    """
    return jax.tree.map(jnp.copy, {"params": params, "stats": stats})


def follow(teacher: Any, student: Any, momentum: Scalar | float) -> Any:
    """Moves a teacher toward a student: ``momentum * teacher + (1 - momentum) * student``.

    Args:
      teacher: a pytree.
      student: a pytree of the same structure.
      momentum: from 0, which copies the student, to 1, which leaves the teacher as it is.

    Returns:
      The new teacher, with the dtypes of the old one.

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, eq. 2,
      https://arxiv.org/abs/1911.05722
    """
    return jax.tree.map(
        lambda t, s: (momentum * t + (1 - momentum) * s).astype(t.dtype), teacher, student
    )


def following(
    momentum: Callable[[Int[Array, ""]], Scalar | float],
    student: Callable[[Params], Params] = lambda params: params,
) -> Callable[[Params, Extra, Int[Array, ""]], tuple[Params, Extra]]:
    """Builds a method's ``update``, which moves ``extra["teacher"]["params"]``.

    Args:
      momentum: returns the momentum at a step.
      student: returns the part of the parameters that the teacher follows.
    """

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        teacher = extra["teacher"]
        moved = follow(teacher["params"], student(params), momentum(step))
        return params, extra | {"teacher": teacher | {"params": moved}}

    return update
