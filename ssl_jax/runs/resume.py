"""Finds the state that a run starts from: its last checkpoint, or a new one."""

from pathlib import Path

import jax
import optax
from ml_collections import ConfigDict

from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Method
from ssl_jax.placement import Placement, on_the_host
from ssl_jax.train import checkpoint
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.loop import run_keys
from ssl_jax.train.state import TrainState, create


def first_state(
    method: Method,
    optimizer: optax.GradientTransformation,
    batch: Batch,
    config: ConfigDict,
    workdir: Path,
    placement: Placement,
) -> tuple[TrainState, bool]:
    """Returns the state that training starts from.

    Args:
      method: is trained.
      optimizer: from ``optim.make``.
      batch: ShapeDtypeStructs of a training batch.
      config: resolved.
      workdir: of the run.
      placement: of the state.

    Returns:
      The last checkpoint's state, or a new one; and whether it is new.

    Raises:
      InputError: the checkpoint does not fit.
    """
    restored = restore_latest(workdir, method, optimizer, batch, placement)
    if restored is not None:
        return restored, False
    with on_the_host():
        state = create(method, optimizer, run_keys(config)[0], batch)
    return placement.put_state(state), True


def restore_latest(
    workdir: Path,
    method: Method,
    optimizer: optax.GradientTransformation,
    batch: Batch,
    placement: Placement,
) -> TrainState | None:
    """Returns the newest checkpoint's state, or None if there is no checkpoint.

    Args:
      workdir: of the run.
      method: was trained.
      optimizer: trained it; its state is in the checkpoint too.
      batch: ShapeDtypeStructs of a batch.
      placement: of the state.

    Raises:
      InputError: the checkpoint holds other arrays than the method and the optimizer.
    """
    checkpoints = Checkpoints(workdir / checkpoint.FOLDER)
    step = checkpoints.latest()
    if step is None:
        return None
    like = jax.eval_shape(lambda key: create(method, optimizer, key, batch), jax.random.key(0))
    while True:
        try:
            return checkpoints.restore(step, like, placement.state(like))
        except InputError:
            newer = checkpoints.latest()
            if newer is None or newer <= step:
                raise
            step = newer  # the run still trains, and removed the checkpoint while it was read
