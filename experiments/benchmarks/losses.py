"""NT-Xent, InfoNCE and CLIP in tiles, beside all at once, optax's and lightly's; n pairs, d = 128.

Value and gradient with respect to both inputs. MB are XLA's compiled temporaries; what would take
more than a third of the memory is left out.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks.race import Contestant, compare, jitted
from ssl_jax import losses

D, BLOCK_SIZE, TEMPERATURE = 128, 1024, 0.5
SIZES = (512, 1024, 2048, 4096, 8192, 16384)
NAMES: dict[str, dict[str, float]] = {
    "nt_xent": {"temperature": TEMPERATURE},
    "info_nce": {"temperature": TEMPERATURE},
    "clip": {"logit_scale": 1 / TEMPERATURE},
}
_BYTES_A_SCORE = 18.0  # that lightly's NT-Xent takes for each of (2n)^2 scores, about


def rows() -> Iterator[str | list[dict[str, Any]]]:
    """A text before each race, and its rows after it."""
    for name, numbers in NAMES.items():
        for n in SIZES:
            yield f"{name}, n = {n}"
            pair = jax.random.normal(jax.random.key(0), (2, n, D))
            ours = _ours(name, pair, numbers, block_size=BLOCK_SIZE)
            peers = [_ours(name, pair, numbers, block_size=None)]
            if name == "nt_xent":
                peers += [_optax(pair), *_lightly(pair)]
            peers = [peer for peer in peers if (peer.megabytes or 0) < _memory() / 3]
            yield compare(f"{name} n={n}", "float32", ours, peers, rounds=5 if n < 8192 else 3)


def _ours(
    name: str, pair: jax.Array, numbers: dict[str, float], block_size: int | None
) -> Contestant:
    loss = getattr(losses, name)
    label = "all at once" if block_size is None else f"block_size={block_size}"
    return _gradient(label, lambda a, b: loss(a, b, block_size=block_size, **numbers).mean(), pair)


def _optax(pair: jax.Array) -> Contestant:
    labels = jnp.tile(jnp.arange(pair.shape[1]), 2)

    def ntxent(a: jax.Array, b: jax.Array) -> jax.Array:
        return optax.losses.ntxent(jnp.concatenate([a, b]), labels, temperature=TEMPERATURE)

    return _gradient("optax", ntxent, pair)


def _gradient(label: str, f: Callable, pair: jax.Array) -> Contestant:
    return jitted(label, jax.value_and_grad(f, (0, 1)), pair[0], pair[1])


def _lightly(pair: jax.Array) -> list[Contestant]:
    """Its NT-Xent, if it is installed and would fit."""
    if _BYTES_A_SCORE * (2 * pair.shape[1]) ** 2 / 2**20 > _memory() / 3:
        return []
    try:
        import torch
        from lightly.loss import NTXentLoss
    except ImportError:
        return []
    a, b = (torch.tensor(jax.device_get(z), requires_grad=True) for z in pair)
    loss = NTXentLoss(temperature=TEMPERATURE)

    def call() -> None:
        a.grad = b.grad = None
        loss(a, b).backward()

    return [Contestant("lightly", call)]


def _memory() -> float:
    """Of this machine, in MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
