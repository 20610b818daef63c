"""The only training loop, for every method: fetch, step, write, save."""

from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import optax
from ml_collections import ConfigDict
from rich.console import Console

from ssl_jax.data import Dataset, training_batches
from ssl_jax.methods.base import Method
from ssl_jax.placement import Placement
from ssl_jax.train import checkpoint, optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.feed import STARVED, Feed
from ssl_jax.train.metrics import Journal
from ssl_jax.train.progress import ProgressLine
from ssl_jax.train.state import TrainState
from ssl_jax.train.step import make_step
from ssl_jax.train.stop import Stopped, stop_requests

_settings: Any = jax.config


def train(
    method: Method,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    data: Dataset,
    config: ConfigDict,
    workdir: Path,
    placement: Placement,
    console: Console,
) -> TrainState:
    """Trains from a state to the last step.

    A run that was interrupted ends as if it had not been: the batch and the key of a step depend
    only on the seed and the number of the step.

    Args:
      method: is trained.
      optimizer: from ``optim.make``.
      state: new or restored.
      data: its ``pretrain`` source is trained on.
      config: resolved.
      workdir: gets checkpoints and metrics; those of earlier steps are kept.
      placement: of the state and the batches.
      console: shows the progress.

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
    key = placement.put_state(run_keys(config)[1])
    step = make_step(method, optimizer, placement, state)
    rate_at = optim.schedule(config)
    stream = training_batches(
        data,
        method.inputs,
        batch_size,
        seed=config.seed,
        start_step=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    with (
        stop_requests() as stop,
        closing(ProgressLine(console, start, steps)) as progress,
        closing(
            Journal(workdir, start, batch_size, progress.show, writes=placement.is_main)
        ) as journal,
        closing(Checkpoints(workdir / checkpoint.FOLDER)) as checkpoints,
        closing(Feed(stream, placement)) as feed,
    ):
        for done in range(start + 1, steps + 1):
            batch = feed.next()
            # the first call compiles, and may read arrays that a user's method closes over
            is_compiled = done > start + 1 and not _settings.jax_disable_jit
            with jax.transfer_guard("disallow" if is_compiled else "allow"):
                state, metrics = step(key, state, batch)
            feed.watch(metrics)
            checkpoints.check()
            if done % config.train.log_every == 0 or done == steps:
                journal.add(done, metrics | {"learning_rate": rate_at(done - 1)}, feed.starved())
            if done % config.train.checkpoint_every == 0 or done == steps or stop.is_set():
                checkpoints.save(done, state)
            if stop.is_set() and done < steps:
                raise Stopped(f"stopped at step {done} of {steps}; the same command continues")
        starved = feed.starved_so_far()
    if starved > STARVED:
        console.print(
            f"training waited for data {100 * starved:.0f} % of the time; pictures are decoded "
            "only once if all fit in data.cache_mib, and more fit with a smaller data.image_size"
        )
    return state


def run_keys(config: ConfigDict) -> tuple[jax.Array, jax.Array]:
    """Returns the key of the initialization and the key of the steps."""
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    return init_key, step_key
