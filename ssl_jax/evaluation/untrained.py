"""The baseline of every learned score: the same network, untrained."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from ssl_jax.methods.base import Batch, Method
from ssl_jax.placement import Placement, on_the_host

_BATCHES = 50  # with a momentum of .9 the initial statistics keep a weight of .005


def untrained(
    method: Method,
    batches: Iterator[dict[str, np.ndarray]],
    key: PRNGKeyArray,
    placement: Placement,
) -> tuple[Any, Any]:
    """Returns initial parameters with BatchNorm statistics collected on the training data.

    The statistics are collected as in training, from the method's loss on its views, for 50
    batches. No gradient is taken and no parameter changes.

    Args:
      method: the method.
      batches: of training data.
      key: initializes; the run's own key gives the network that training started from.
      placement: of the arrays.

    Returns:
      ``params, extra``.
    """
    first = next(batches)
    with on_the_host():
        params, extra = method.init(key, first)

    everywhere, rows = placement.replicated, placement.rows
    collect = jax.jit(
        collector(method),
        in_shardings=(everywhere, everywhere, everywhere, rows, everywhere),
        out_shardings=everywhere,
    )
    key, params, extra = placement.put_state((key, params, extra))
    for step in range(_BATCHES):
        batch = first if step == 0 else next(batches)
        extra = collect(key, params, extra, placement.put_batch(batch), jnp.int32(step))
    return params, extra


def collector(method: Method) -> Callable[..., Any]:
    """Builds ``(key, params, extra, batch, step) -> extra``, which evaluates the loss only."""

    def collect(
        key: PRNGKeyArray, params: Any, extra: Any, batch: Batch, step: Int[Array, ""]
    ) -> Any:
        view_key, loss_key = jax.random.split(jax.random.fold_in(key, step))
        views = method.views(view_key, batch)
        _, (extra, _) = method.loss(params, extra, views, loss_key, step)
        return extra

    return collect
