"""The one train step: views, loss, gradient, optimiser and the method's own update, in one jit."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from ssl_jax.methods.base import Batch, Method, Metrics
from ssl_jax.sharding import replicated, split
from ssl_jax.train.state import TrainState

Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_step(
    method: Method, optimizer: optax.GradientTransformation, key: PRNGKeyArray, mesh: Mesh
) -> Step:
    """The compiled step of a run.

    The key of step ``s`` is ``fold_in(key, s)``, so a resumed run draws what the first one would
    have. An update whose loss or gradient is not finite is left out, ``extra`` included; ``step``
    still counts it.

    Args:
      method: to be trained.
      optimizer: to train it with.
      key: of the run.
      mesh: over whose devices the batch is split; the state is on each of them.

    Returns:
      ``(state, batch) -> state, metrics``. The state that went in is donated. Metrics are scalars:
      ``loss``, ``gradient_norm``, ``skipped`` (1 where the update was left out) and the method's.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        view_key, loss_key = jax.random.split(jax.random.fold_in(key, state.step))
        views = method.views(view_key, batch)

        def loss(params: Any) -> Any:
            return method.loss(params, state.extra, views, loss_key, state.step)

        (value, (extra, metrics)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
        norm = optax.tree.norm(gradient)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params, extra = method.update(optax.apply_updates(state.params, updates), extra, state.step)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        new = TrainState(state.step, params, extra, optimizer_state)
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, state)
        own = {"loss": value, "gradient_norm": norm, "skipped": 1.0 - finite.astype(jnp.float32)}
        return kept._replace(step=state.step + 1), own | metrics

    everywhere, rows = replicated(mesh), split(mesh)
    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(everywhere, rows),
        out_shardings=(everywhere, everywhere),
    )
