"""Gradients of ResNet-18's convolutions on 128 images, beside XLA's own and PyTorch's.

One row a layer and gradient: of the input, of the kernel.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.benchmarks.race import Contestant, compare, jitted
from ssl_jax.nn import conv

N = 128


class Layer(NamedTuple):
    """A convolution: side of the input, channels in and out, kernel, stride."""

    side: int
    i: int
    o: int
    k: int
    stride: int


LAYERS = (
    Layer(32, 3, 64, 3, 1),
    Layer(32, 64, 64, 3, 1),
    Layer(32, 64, 128, 3, 2),
    Layer(32, 64, 128, 1, 2),
    Layer(16, 128, 128, 3, 1),
    Layer(16, 128, 256, 3, 2),
    Layer(8, 256, 256, 3, 1),
    Layer(4, 512, 512, 3, 1),
)


def rows() -> Iterator[str | list[dict[str, Any]]]:
    """A text before each race, and its rows after it."""
    for precision in ("float32", "bfloat16"):
        for layer in LAYERS:
            for number, wanted in enumerate(("input", "kernel")):
                name = f"{layer.k}x{layer.k} {layer.i}-{layer.o} /{layer.stride} at {layer.side}"
                yield f"{name}, {wanted}, {precision}"
                x, kernel = _inputs(layer, jnp.dtype(precision))
                dy = jnp.ones_like(conv.conv(x, kernel, stride=layer.stride))

                def gradient(f: Any, x: Any, kernel: Any, dy: Any, number: int = number) -> Any:
                    return jax.vjp(f, x, kernel)[1](dy)[number]

                ours, xla = (
                    jitted(title, partial(gradient, partial(f, stride=layer.stride)), x, kernel, dy)
                    for title, f in (("ssl_jax", conv.conv), ("XLA", conv.xla_conv))
                )
                peers = [xla, *_torch(layer, precision, number)]
                yield compare(f"{name}, {wanted}", precision, ours, peers, rounds=5)


def _inputs(layer: Layer, dtype: Any) -> tuple[jax.Array, jax.Array]:
    x = jax.random.normal(jax.random.key(0), (N, layer.side, layer.side, layer.i))
    kernel = jax.random.normal(jax.random.key(1), (layer.k, layer.k, layer.i, layer.o))
    return x.astype(dtype), kernel.astype(dtype)


def _torch(layer: Layer, precision: str, number: int) -> list[Contestant]:
    """Its gradient, if it is installed."""
    try:
        import torch
    except ImportError:
        return []
    dtype, last = getattr(torch, precision), torch.channels_last
    x = torch.randn(N, layer.i, layer.side, layer.side, dtype=dtype).to(memory_format=last)
    kernel = torch.randn(layer.o, layer.i, layer.k, layer.k, dtype=dtype).to(memory_format=last)
    geometry = ([layer.stride] * 2, [(layer.k - 1) // 2] * 2, [1] * 2, False, [0] * 2, 1)
    y = torch.convolution(x, kernel, None, *geometry)
    dy = torch.ones_like(y)
    wanted = [number == 0, number == 1, False]

    def call() -> None:
        torch.ops.aten.convolution_backward(dy, x, kernel, None, *geometry, wanted)

    return [Contestant("PyTorch", call)]
