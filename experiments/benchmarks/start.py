"""From an empty process to the end of the first step: the quickstart's network, 128 images.

Import, build, compile, one step; with an empty compilation cache and with what another start left
there; beside PyTorch's import, build and first step of the same with lightly's loss.
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
    """A text before each race, and its rows after it."""
    yield "first steps"
    peers = [Contestant("with a cache", warm), Contestant("lightly", lightly)]
    yield compare(lanes, "first step", "float32", Contestant("ssl_jax", cold), peers, rounds=3)


def cold() -> Work:
    """Ours, the cache empty."""

    def call() -> None:
        with tempfile.TemporaryDirectory() as folder:
            _run(_OURS.format(folder=folder))

    return Work(call)


def warm() -> Work:
    """Ours, the cache filled by the round that does not count."""
    folder = tempfile.mkdtemp(prefix="ssl_jax-cache-")
    return Work(lambda: _run(_OURS.format(folder=folder)))


def lightly() -> Work:
    """Its loss, the same network in PyTorch."""
    import lightly  # noqa: F401

    return Work(lambda: _run(_LIGHTLY))


def _run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
