"""From a new process to the end of the first step: the quickstart's network, 128 images.

Ours imports, builds, compiles and runs one step, with an empty compilation cache and with the cache
of an earlier start. The peer imports PyTorch, builds the same network with lightly's loss and runs
its first step.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.race import Contestant, Track, Work, compare

_OURS = """
import jax
jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
from experiments.benchmarks import input
step, key, state, source = input.ours()
jax.block_until_ready(step(key, state, input.first_batch(source)))
"""
_LIGHTLY = """
import torch
from experiments.benchmarks import lightly_simclr
lightly_simclr.first_step()(torch.rand(256, 3, 32, 32))
"""


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    yield "first steps"
    peers = [Contestant("with a cache", warm), Contestant("lightly", lightly)]
    yield compare(lanes, "first step", "float32", Contestant("ssl_jax", cold), peers, rounds=3)


def cold() -> Work:
    """Builds our start with an empty cache."""

    def call() -> None:
        with tempfile.TemporaryDirectory() as folder:
            _run(_OURS.format(folder=folder))

    return Work(call)


def warm() -> Work:
    """Builds our start with a cache, which the round that does not count fills."""
    folder = tempfile.mkdtemp(prefix="ssl_jax-cache-")
    return Work(lambda: _run(_OURS.format(folder=folder)))


def lightly() -> Work:
    """Builds the start of the same network in PyTorch with lightly's loss."""
    import lightly  # noqa: F401

    return Work(lambda: _run(_LIGHTLY))


def _run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
