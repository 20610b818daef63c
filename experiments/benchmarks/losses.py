"""NT-Xent, InfoNCE and CLIP in tiles, compared with all at once, optax and lightly.

Each computes the value and the gradient of both inputs, for n pairs and d = 128. MB counts XLA's
compiled temporaries. What would take more than a third of the machine's memory is left out.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks.race import Contestant, Track, Work, compare, jitted
from ssl_jax import losses

D, BLOCK_SIZE, TEMPERATURE = 128, 1024, 0.5
SIZES = (512, 1024, 2048, 4096, 8192, 16384)
NAMES: dict[str, dict[str, float]] = {
    "nt_xent": {"temperature": TEMPERATURE},
    "info_nce": {"temperature": TEMPERATURE},
    "clip": {"logit_scale": 1 / TEMPERATURE},
}
_BYTES_PER_SCORE = 18.0  # roughly, in lightly's NT-Xent with its (2n)^2 scores


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    for name in NAMES:
        for n in SIZES:
            yield f"{name}, n = {n}"
            tiles = Contestant(f"block_size={BLOCK_SIZE}", ours, (name, n, BLOCK_SIZE))
            peers = [Contestant("all at once", ours, (name, n, None))]
            if name == "nt_xent":
                peers += [
                    Contestant("optax", optax_nt_xent, (n,)),
                    Contestant("lightly", lightly, (n,)),
                ]
            rounds = 5 if n < 8192 else 3
            yield compare(lanes, f"{name} n={n}", "float32", tiles, peers, rounds)


def ours(name: str, n: int, block_size: int | None) -> Work:
    """Builds a loss of ``ssl_jax.losses`` with its gradient."""
    loss = getattr(losses, name)
    return _gradient(lambda a, b: loss(a, b, block_size=block_size, **NAMES[name]).mean(), n)


def optax_nt_xent(n: int) -> Work:
    """Builds optax's NT-Xent with its gradient."""
    labels = jnp.tile(jnp.arange(n), 2)

    def ntxent(a: jax.Array, b: jax.Array) -> jax.Array:
        return optax.losses.ntxent(jnp.concatenate([a, b]), labels, temperature=TEMPERATURE)

    return _gradient(ntxent, n)


def lightly(n: int) -> Work:
    """Builds lightly's NT-Xent with its gradient."""
    import torch
    from lightly.loss import NTXentLoss

    _check_memory(_BYTES_PER_SCORE * (2 * n) ** 2 / 2**20)
    a, b = (torch.tensor(jax.device_get(z), requires_grad=True) for z in _pair(n))
    loss = NTXentLoss(temperature=TEMPERATURE)

    def call() -> None:
        a.grad = b.grad = None
        loss(a, b).backward()

    return Work(call)


def _gradient(f: Callable, n: int) -> Work:
    work = jitted(jax.value_and_grad(f, (0, 1)), *_pair(n))
    _check_memory(work.megabytes or 0)
    return work


def _pair(n: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (2, n, D))


def _check_memory(megabytes: float) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    if megabytes > machine / 3:
        raise MemoryError
