"""The only loop: fetch, step, write, save; whatever the method."""

from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from rich.console import Console

from ssl_jax.data import Dataset, batches
from ssl_jax.methods.base import Batch, Method
from ssl_jax.sharding import on_the_host, put_everywhere, replicated
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.feed import STARVED, Feed
from ssl_jax.train.metrics import Journal
from ssl_jax.train.progress import ProgressLine
from ssl_jax.train.restore import earlier_weights, restore_latest
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step
from ssl_jax.train.stop import Stopped, stop_requests
from ssl_jax.train.workdir import CHECKPOINTS


def train(
    method: Method,
    state: TrainState,
    data: Dataset,
    config: ConfigDict,
    workdir: Path,
    mesh: Mesh,
    console: Console,
) -> TrainState:
    """Make the steps that are left.

    A run that was interrupted goes on from its last checkpoint and ends as if it had not been: the
    batch and the key of a step depend on the seed and the step's number alone.

    Args:
      method: to be trained.
      state: of ``first_state``.
      data: its ``pretrain`` source is trained on.
      config: resolved.
      workdir: whose checkpoints and metrics are continued.
      mesh: of all devices.
      console: for the progress.

    Returns:
      The state after ``config.train.steps`` steps.

    Raises:
      InputError: the loss does not stay finite, or the disk cannot be written.
      Stopped: on Ctrl-C or SIGTERM, after saving.
    """
    start, steps, batch_size = int(state.step), config.train.steps, config.data.batch_size
    if start == steps:
        return state
    if start:
        console.print(f"resuming at step {start} of {steps}")
    key = put_everywhere(mesh, run_keys(config)[1])
    step = make_step(method, optim.make(config), mesh)
    rate_at = optim.schedule(config)
    stream = batches(
        data.pretrain,
        batch_size,
        seed=config.seed,
        start_step=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    with (
        stop_requests() as stop,
        closing(ProgressLine(console, start, steps)) as progress,
        closing(Journal(workdir, start, batch_size, progress.show)) as journal,
        closing(Checkpoints(workdir / CHECKPOINTS)) as checkpoints,
        closing(Feed(stream, mesh)) as feed,
    ):
        for done in range(start + 1, steps + 1):
            batch = feed.next()
            # the first call compiles, and may read arrays that a user's own method closes over
            with jax.transfer_guard("allow" if done == start + 1 else "disallow"):
                state, metrics = step(key, state, batch)
            feed.watch(metrics)
            checkpoints.check()
            if done % config.train.log_every == 0 or done == steps:
                journal.add(done, metrics | {"learning_rate": rate_at(done - 1)}, feed.starved())
            if done % config.train.checkpoint_every == 0 or done == steps or stop.is_set():
                checkpoints.save(done, state)
            if stop.is_set() and done < steps:
                raise Stopped(f"stopped at step {done} of {steps}; the same command goes on")
        starved = feed.starved_so_far()
    if starved > STARVED:
        console.print(
            f"training waited for data {100 * starved:.0f} % of the time; pictures are decoded "
            "only once if all fit in data.cache_mib, with a smaller data.image_size more do"
        )
    return state


def run_keys(config: ConfigDict) -> tuple[jax.Array, jax.Array]:
    """The keys of the initialisation and of the steps."""
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    return init_key, step_key


def batch_like(data: Dataset, batch_size: int) -> Batch:
    """ShapeDtypeStructs of a training batch."""
    example = data.pretrain[0]
    return {
        name: jax.ShapeDtypeStruct((batch_size, *np.shape(value)), np.asarray(value).dtype)
        for name, value in example.items()
    }


def first_state(
    method: Method, data: Dataset, config: ConfigDict, workdir: Path, mesh: Mesh
) -> TrainState:
    """The last checkpoint's state; without one a new state, with ``init_from``'s weights if set.

    Raises:
      InputError: the checkpoint, or that of ``init_from``, is not there or does not fit.
    """
    like, everywhere = batch_like(data, config.data.batch_size), replicated(mesh)
    state = restore_latest(workdir, method, config, like, everywhere)
    if state is not None:
        return state
    with on_the_host():
        state = create(method, optim.make(config), run_keys(config)[0], like)
    state = put_everywhere(mesh, state)
    if config.init_from is None:
        return state
    earlier = earlier_weights(Path(config.init_from), method, like, everywhere)
    return state._replace(params=earlier.params, extra=earlier.extra)
