"""How the cost of our SimCLR step grows: the quickstart's network, float32, views with blur.

Starting from 128 images of 32x32, two views and width 1, one thing grows at a time: the batch size,
the number of views, the image's side, the network's width, and the slices of a large batch
(``train.microbatches``). ``growth`` has the exponents that fit time and memory: 0 is constant, 1 is
linear, and 2 is what convolutions need as the side or the width grows.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmarks.race import Contestant, Track, Work, race, temporaries
from ssl_jax import augment, losses
from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.resnet import ResNet

BASE = {"batch": 128, "views": 2, "side": 32, "width": 1, "slices": 1}
AXES: tuple[tuple[str, tuple[int, ...], dict[str, int]], ...] = (
    ("batch", (64, 128, 256, 512), {}),
    ("views", (2, 4, 8), {}),
    ("side", (16, 32, 64), {}),
    ("width", (1, 2, 4), {}),
    ("slices", (1, 2, 4, 8), {"batch": 1024}),
    ("slices", (1, 32), {"batch": 4096}),
)


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    for axis, values, changes in AXES:
        title = "".join(f"{name} {value}, " for name, value in changes.items()) + axis
        yield f"SimCLR's step, {title}"
        field = [
            Contestant(f"{title} {value}", simclr, tuple((BASE | changes | {axis: value}).values()))
            for value in values
        ]
        results = race(lanes, field, rounds=5)
        seconds, megabytes = np.array(list(results.values())).T
        growth = f"time ^{_exponent(values, seconds)}, memory ^{_exponent(values, megabytes)}"
        yield [
            {
                "work": name,
                "precision": "float32",
                "ours_name": "ssl_jax",
                "ours": once,
                "ours_megabytes": memory,
                "peer_name": None,
                "peer": None,
                "peer_megabytes": None,
                "ratio": None,
                "growth": growth,
            }
            for name, (once, memory) in results.items()
        ]


def simclr(batch: int, views: int, side: int, width: int, slices: int) -> Work:
    """Builds the step: views, loss of the first view with each other view, gradient and update."""
    widths = tuple(width * w for w in (16, 32, 64))
    network = from_module(
        lambda rngs: ResNet(
            channels=3, blocks=(0, 1, 1), widths=widths, bottleneck=False, stem="patch", rngs=rngs
        ),
        microbatches=slices,
    )
    view = jax.vmap(augment.recipes.simclr(strength=0.5))
    optimizer = optax.sgd(0.1)

    def step(params: Any, stats: Any, key: jax.Array, images: jax.Array) -> Any:
        keys = jax.random.split(key, (views, batch))
        drawn = jnp.stack([view(k, images) for k in keys])

        def loss(params: Any) -> Any:
            layers, new = network.apply_views(params, stats, drawn, train=True)
            first, *others = layers["features"]
            each = [losses.nt_xent(first, other, temperature=0.5).mean() for other in others]
            return sum(each), new

        gradient, new = jax.grad(loss, has_aux=True)(params)
        updates, _ = optimizer.update(gradient, optimizer.init(params))
        return optax.apply_updates(params, updates), new

    inputs = (
        *network.init(jax.random.key(0)),
        jax.random.key(1),
        jax.random.uniform(jax.random.key(2), (batch, side, side, 3)),
    )
    compiled = jax.jit(step).lower(*inputs).compile()
    return Work(partial(_wait, compiled, inputs), temporaries(compiled))


def _wait(compiled: jax.stages.Compiled, inputs: Any) -> None:
    jax.block_until_ready(compiled(*inputs))


def _exponent(values: tuple[int, ...], costs: np.ndarray) -> str:
    return f"{np.polyfit(np.log(values), np.log(costs), 1)[0]:.2f}"
