"""A baseline of every learned score: the same network, untrained."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from ssl_jax.methods.base import Batch, Method
from ssl_jax.placement import Placement, on_the_host

_BATCHES = 50  # at a momentum of 0.9, the initial statistics keep a weight of 0.005


def untrained(
    method: Method,
    batches: Iterator[dict[str, np.ndarray]],
    key: PRNGKeyArray,
    placement: Placement,
) -> tuple[Any, Any]:
    """Returns initial parameters, with BatchNorm statistics collected on the training data.

    The statistics are collected as in training: the method computes its loss on its views of 50
    batches. No gradient is taken, and no parameter changes.

    Args:
      method: the method.
      batches: of training data, at least 50.
      key: initializes the network; the run's own key gives the one that training started from.
      placement: where the arrays live.

    Returns:
      ``params, extra``.
    """
    first = next(batches)
    with on_the_host():
        params, extra = method.init(key, first)

    replicated, rows = placement.replicated, placement.rows
    collect = jax.jit(
        collector(method),
        in_shardings=(replicated, replicated, replicated, rows, replicated),
        out_shardings=replicated,
    )
    key, params, extra = placement.put_state((key, params, extra))
    for step in range(_BATCHES):
        batch = first if step == 0 else next(batches)
        extra = collect(key, params, extra, placement.put_batch(batch), jnp.int32(step))
    return params, extra


def collector(method: Method) -> Callable[..., Any]:
    """Builds ``(key, params, extra, batch, step) -> extra``, which runs the loss and no update."""

    def collect(
        key: PRNGKeyArray, params: Any, extra: Any, batch: Batch, step: Int[Array, ""]
    ) -> Any:
        view_key, loss_key = jax.random.split(jax.random.fold_in(key, step))
        views = method.views(view_key, batch)
        _, (extra, _) = method.loss(params, extra, views, loss_key, step)
        return extra

    return collect
