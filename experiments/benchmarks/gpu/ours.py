"""Our side: a method's step as a run compiles it, or any other function.

Each is compiled ahead of time; ``compile_seconds`` covers tracing, lowering and compiling. The peak
memory is that of the compiled program: inputs, outputs that do not reuse an input's buffer, and
temporaries. The allocator's own counter would also include the trial runs of compilation.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments.benchmarks.gpu.job import Job, Measured
from ssl_jax import config as settings
from ssl_jax import methods
from ssl_jax.data import statistics
from ssl_jax.placement import make_placement
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step

_IMAGENET = 1_281_167  # training examples, which determine the number of steps
CHANNELS = 3


class Compiled(NamedTuple):
    """A compiled function, and a function that turns the seconds per call into a result."""

    call: jax.stages.Compiled
    measured: Callable[[float], Measured]


class Training(NamedTuple):
    """A method's compiled step, its key, and its first state, which the first call consumes."""

    step: Compiled
    key: jax.Array
    state: Any


def published(config: ConfigDict, images: int, side: int, **changes: Any) -> ConfigDict:
    """Applies this batch size, side and more changes to a config, and resolves it for ImageNet."""
    config = ConfigDict(config.to_dict())
    config.update_from_flattened_dict(
        {"data.batch_size": images, "data.image_size": side} | changes
    )
    mean, std = statistics.IMAGENET
    facts = {"modality": "image", "image_size": side, "channels": CHANNELS}
    return settings.resolve(
        config, facts | {"mean": mean, "std": std}, _IMAGENET, jax.device_count()
    )


def compile_now(f: Any, *inputs: Any) -> Compiled:
    """Compiles a jitted function for these inputs and times it."""
    begin = time.perf_counter()
    call = f.lower(*inputs).compile()
    seconds = time.perf_counter() - begin
    memory = call.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    temporary = memory.temp_size_in_bytes
    measured = partial(
        Measured,
        peak_megabytes=(held + temporary) / 2**20,
        compile_seconds=seconds,
        temporary_megabytes=temporary / 2**20,
    )
    return Compiled(call, measured)


def function(f: Callable[..., Any], *inputs: Any) -> Job:
    """Builds a job that calls a function on these inputs, under jit."""
    compiled = compile_now(jax.jit(f), *inputs)
    held: list[Any] = [None]

    def step() -> None:
        held[0] = compiled.call(*inputs)

    return Job(step, lambda: jax.block_until_ready(held[0]), compiled.measured)


def training(config: ConfigDict) -> Training:
    """Builds the state and compiles the step, as a run with this config would."""
    placement = make_placement()
    method, optimizer = methods.make(config), optim.make(config)
    batch = random_batch(config)
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    state = placement.put_state(create(method, optimizer, init_key, batch))
    key = placement.put_state(step_key)
    step = make_step(method, optimizer, placement, state)
    return Training(compile_now(step, key, state, placement.put_batch(batch)), key, state)


def method_step(config: ConfigDict) -> Job:
    """Builds the job of a whole step on one batch: views, loss, gradient and update."""
    step, key, state = training(config)
    batch = make_placement().put_batch(random_batch(config))
    held = [state]

    def call() -> None:
        held[0], _ = step.call(key, held[0], batch)

    return Job(call, lambda: jax.block_until_ready(held[0]), step.measured)


def random_batch(config: ConfigDict) -> dict[str, np.ndarray]:
    """Returns a uint8 batch of noise."""
    side = config.data.image_size
    return {"image": noise(config.data.batch_size, side)}


def noise(images: int, side: int) -> np.ndarray:
    """Returns noise, uint8 ``[images, side, side, 3]``."""
    return np.random.default_rng(0).integers(0, 256, (images, side, side, CHANNELS), np.uint8)
