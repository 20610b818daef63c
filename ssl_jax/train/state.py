"""The state of a training run."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from ssl_jax.methods.base import Batch, Method


class TrainState(NamedTuple):
    """A pytree that is saved, restored and donated as a whole.

    Attributes:
      step: number of steps made, int32.
      params: what gradients train.
      extra: what gradients do not train (see ``methods.base``).
      optimizer: the state of the optax optimizer.
    """

    step: Int[Array, ""]
    params: Any
    extra: Any
    optimizer: Any


def create(
    method: Method, optimizer: optax.GradientTransformation, key: PRNGKeyArray, batch: Batch
) -> TrainState:
    """Creates the state before the first step.

    Args:
      method: is trained.
      optimizer: trains it.
      key: initializes the method.
      batch: arrays or ShapeDtypeStructs with the shapes of a batch.

    Returns:
      The state at step 0. Nothing in it is weakly typed, as ``jnp.full(n, 0.5)`` is: a step returns
      strong types, so the second step would be compiled again.
    """
    params, extra = method.init(key, batch)
    state = TrainState(jnp.zeros((), jnp.int32), params, extra, optimizer.init(params))
    return jax.tree.map(_strongly_typed, state)


def _strongly_typed(x: Any) -> Any:
    return x.astype(x.dtype) if getattr(x, "weak_type", False) else x


def parameter_count(params: Any) -> int:
    """Returns the number of trained parameters."""
    return sum(x.size for x in jax.tree.leaves(params))
