"""End to end, from data to update: SimCLR with the quickstart's network on 32x32 color pictures.

Ours runs the whole recipe (crop, flip, jitter, hue, grayscale; no blur, as for CIFAR) for 20 steps
of 128 pictures in memory. The peer is lightly: its transform in a loader with 2 workers, its loss,
and the same network in PyTorch (channels_last). Both loaders stay alive between turns. ``the step
alone`` is our compiled step on a batch that is already there; its time over ours is the loop's
efficiency.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.race import Contestant, Track, Work, compare
from ssl_jax import config, data, methods
from ssl_jax.placement import make_placement
from ssl_jax.train import optim
from ssl_jax.train.feed import Feed
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step

STEPS, BATCH, SIZE = 20, 128, 32


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    yield "SimCLR end to end"
    peers = [Contestant("the step alone", step_alone), Contestant("lightly", lightly)]
    title = f"{STEPS} steps of {BATCH}"
    yield compare(lanes, title, "float32", Contestant("ssl_jax", end_to_end), peers, rounds=5)


def end_to_end() -> Work:
    """Builds the whole loop, as in ``ssl_jax.train.loop``: read, transfer, make views, update."""
    step, key, state, source = ours()
    feed = Feed(data.batches(source, BATCH, seed=0), make_placement())
    held = [state]

    def call() -> None:
        state = held[0]
        for _ in range(STEPS):
            state, metrics = step(key, state, feed.next())
            feed.watch(metrics)
        jax.block_until_ready(metrics)
        held[0] = state

    return Work(call)


def step_alone() -> Work:
    """Builds the compiled step, repeated on one batch."""
    step, key, state, source = ours()
    batch = first_batch(source)
    held = [state]

    def call() -> None:
        state = held[0]
        for _ in range(STEPS):
            state, metrics = step(key, state, batch)
        jax.block_until_ready(metrics)
        held[0] = state

    return Work(call)


def first_batch(source: Any) -> Any:
    """Returns the first pictures as a batch on the devices."""
    return make_placement().put_batch(source.take(np.arange(BATCH)))


def ours() -> tuple[Callable[..., Any], Any, Any, Any]:
    """Returns the step as a run compiles it, its key, its first state, and the pictures."""
    images = _images()
    loaded = data.from_arrays(images, test_images=images[:1])
    settings = config.defaults()
    settings.data.batch_size = BATCH
    settings.optimizer.learning_rate = 1e-3
    settings.train.steps = 1000
    settings.method = {
        "name": "simclr",
        "temperature": 0.5,
        "projector": (512, 128),
        "augment": {"area": (0.08, 1.0), "strength": 0.5, "blur": 0.0},
    }
    settings = config.resolve(settings, loaded.facts, len(images), jax.device_count())
    method, optimizer = methods.make(settings), optim.make(settings)
    example = {"image": jax.ShapeDtypeStruct((BATCH, *images.shape[1:]), np.uint8)}
    state = create(method, optimizer, jax.random.key(0), example)
    placement = make_placement()
    key = placement.put_state(jax.random.key(1))
    return make_step(method, optimizer, placement, state), key, state, loaded.pretrain


def _images() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (STEPS * BATCH, SIZE, SIZE, 3), np.uint8)


def lightly() -> Work:
    """Builds an epoch of lightly's SimCLR."""
    from experiments.benchmarks.lightly_simclr import epoch

    return Work(epoch(_images(), BATCH))
