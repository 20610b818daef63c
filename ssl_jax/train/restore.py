"""From a workdir back to a train state."""

from pathlib import Path

import jax
from jax.sharding import Sharding
from ml_collections import ConfigDict

from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Method
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.workdir import CHECKPOINTS, read_config


def restore_latest(
    workdir: Path, method: Method, config: ConfigDict, batch: Batch, sharding: Sharding
) -> TrainState | None:
    """The newest checkpoint of a run, or None if it has none.

    Args:
      workdir: of the run.
      method: that fits what was saved.
      config: the run's own; its optimiser's state is in the checkpoint.
      batch: ShapeDtypeStructs of a batch.
      sharding: where to put every array.

    Raises:
      InputError: the checkpoint holds other arrays than the method has.
    """
    checkpoints = Checkpoints(workdir / CHECKPOINTS)
    step = checkpoints.latest()
    if step is None:
        return None
    like = jax.eval_shape(
        lambda key: create(method, optim.make(config), key, batch), jax.random.key(0)
    )
    while True:
        try:
            return checkpoints.restore(step, like, sharding)
        except InputError:
            newer = checkpoints.latest()
            if newer is None or newer <= step:
                raise
            step = newer  # the run is training, and has removed what was being read


def earlier_weights(workdir: Path, method: Method, batch: Batch, sharding: Sharding) -> TrainState:
    """The last state of an earlier run, whose ``params`` and ``extra`` another run starts from.

    Raises:
      InputError: there is no such run, it has saved nothing, or its arrays do not fit the method.
    """
    state = restore_latest(workdir, method, read_config(workdir), batch, sharding)
    if state is None:
        raise InputError(f"init_from: {workdir} has no checkpoint; expected a trained run")
    return state
