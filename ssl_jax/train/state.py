"""Everything that a training run is at a step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from ssl_jax.methods.base import Batch, Method


class TrainState(NamedTuple):
    """A pytree; saved, restored, donated and sharded whole.

    Attributes:
      step: how many updates were made, int32.
      params: what gradients train.
      extra: what they do not (see ``methods.base``).
      optimizer: optax's state.
    """

    step: Int[Array, ""]
    params: Any
    extra: Any
    optimizer: Any


def create(
    method: Method, optimizer: optax.GradientTransformation, key: PRNGKeyArray, batch: Batch
) -> TrainState:
    """The state before the first step.

    Args:
      method: to be trained.
      optimizer: to train it with.
      key: of the initialisation.
      batch: arrays or ShapeDtypeStructs, of the shapes of a batch.

    Returns:
      The state at step 0.
    """
    params, extra = method.init(key, batch)
    return TrainState(jnp.zeros((), jnp.int32), params, extra, optimizer.init(params))


def parameter_count(params: Any) -> int:
    """How many numbers are trained."""
    return sum(x.size for x in jax.tree.leaves(params))
