"""The training step: views, loss, gradient, optimizer and the method's own update, in one jit."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from ssl_jax.methods.base import Batch, Method, Metrics
from ssl_jax.placement import Placement
from ssl_jax.train.state import TrainState

Step = Callable[[PRNGKeyArray, TrainState, Batch], tuple[TrainState, Metrics]]


def make_step(
    method: Method, optimizer: optax.GradientTransformation, placement: Placement, state: TrainState
) -> Step:
    """Builds the jitted step of a run.

    Step ``s`` draws from ``fold_in(key, s)``, so a resumed run draws what it would have drawn
    without the interruption. An update whose loss or gradient is not finite is skipped, ``extra``
    included; ``step`` still counts it.

    Args:
      method: is trained.
      optimizer: trains it.
      placement: of the state and the batches.
      state: arrays or ShapeDtypeStructs; only its structure is used.

    Returns:
      ``(key, state, batch) -> state, metrics``. The key is the same at every step. It is an
      argument because an array that a jitted function closes over becomes a constant of the
      program, which an accelerator has to read back. The input state is donated. Metrics are
      scalars: ``loss``, ``gradient_norm``, ``skipped`` (1 if the update was skipped, else 0) and
      the method's own.
    """

    def step(key: PRNGKeyArray, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
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

    of_state = placement.state(state)
    return jax.jit(
        step,
        donate_argnums=1,
        in_shardings=(placement.replicated, of_state, placement.rows),
        out_shardings=(of_state, placement.replicated),
    )
