"""The baseline that every learned score stands beside: the same network, never trained."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, PRNGKeyArray

from ssl_jax.methods.base import Batch, Method
from ssl_jax.sharding import on_the_host, put_batch, put_everywhere, replicated, split

_BATCHES = 50  # with BatchNorm's momentum of .9 the initial statistics keep a weight of .005


def untrained(
    method: Method, batches: Iterator[dict[str, np.ndarray]], key: PRNGKeyArray, mesh: Mesh
) -> tuple[Any, Any]:
    """Initial parameters, with BatchNorm statistics collected on the training data.

    The statistics come from where a trained network's come from: the method's loss on its views,
    for 50 batches, but no gradient is taken and no parameter moves.

    Args:
      method: whose network it is.
      batches: of training data.
      key: of the initialisation; the run's own gives the very network that training started from.
      mesh: over whose devices a batch is split.

    Returns:
      ``params, extra``.
    """
    first = next(batches)
    with on_the_host():
        params, extra = method.init(key, first)

    everywhere, rows = replicated(mesh), split(mesh)
    collect = jax.jit(
        collector(method),
        in_shardings=(everywhere, everywhere, everywhere, rows, everywhere),
        out_shardings=everywhere,
    )
    key, params, extra = put_everywhere(mesh, (key, params, extra))
    for step in range(_BATCHES):
        batch = first if step == 0 else next(batches)
        extra = collect(key, params, extra, put_batch(mesh, batch), jnp.int32(step))
    return params, extra


def collector(method: Method) -> Callable[..., Any]:
    """``(key, params, extra, batch, step) -> extra`` after a loss that trains nothing."""

    def collect(
        key: PRNGKeyArray, params: Any, extra: Any, batch: Batch, step: Int[Array, ""]
    ) -> Any:
        view_key, loss_key = jax.random.split(jax.random.fold_in(key, step))
        views = method.views(view_key, batch)
        _, (extra, _) = method.loss(params, extra, views, loss_key, step)
        return extra

    return collect
