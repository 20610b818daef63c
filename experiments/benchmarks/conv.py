"""Gradients of ResNet-18's convolutions on 128 images, compared with XLA's own and PyTorch's.

One row per layer and gradient (of the input, of the kernel). The last layer is the one that a
ResNet-18 has on 16x16 images. Then come the forward pass and both gradients of some layers in a
loop over two micro-batches of 4 images, compared with XLA's own.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.benchmarks.race import Contestant, Track, Work, compare, jitted
from ssl_jax.nn.conv import conv
from ssl_jax.nn.platform import traced_as

N, MICROBATCHES, MICROBATCH_SIZE = 128, 2, 4


class Layer(NamedTuple):
    """A convolution: input side, channels in and out, kernel size, stride."""

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
    Layer(2, 512, 512, 3, 1),
)
PRECISIONS = ("float32", "bfloat16")
LOOPED = (LAYERS[1], LAYERS[4], LAYERS[6])


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    for precision in PRECISIONS:
        for layer in LAYERS:
            for number, wanted in enumerate(("input", "kernel")):
                name = f"{layer.k}x{layer.k} {layer.i}-{layer.o} /{layer.stride} at {layer.side}"
                yield f"{name}, {wanted}, {precision}"
                arguments = (layer, precision, number)
                ours, *peers = (
                    Contestant(title, make, arguments, bfloat16=precision == "bfloat16")
                    for title, make in (
                        ("ssl_jax", our_gradient),
                        ("XLA", xla),
                        ("PyTorch", pytorch),
                    )
                )
                yield compare(lanes, f"{name}, {wanted}", precision, ours, peers, rounds=5)
    for layer in LOOPED:
        name = f"{layer.k}x{layer.k} {layer.i}-{layer.o} /{layer.stride} at {layer.side}, in a loop"
        yield name
        ours = Contestant("ssl_jax", ours_in_a_loop, (layer,))
        peers = [Contestant("XLA", xla_in_a_loop, (layer,))]
        yield compare(lanes, name, "float32", ours, peers, rounds=5)


def our_gradient(layer: Layer, precision: str, number: int) -> Work:
    """Builds one gradient of ``ssl_jax.nn.conv``: 0 is the input's, 1 the kernel's."""
    return _gradient(layer, precision, number)


def xla(layer: Layer, precision: str, number: int) -> Work:
    """Builds the same gradient with XLA's own rule."""
    with traced_as("plain"):
        return _gradient(layer, precision, number)


def ours_in_a_loop(layer: Layer) -> Work:
    """Builds the forward pass and both gradients over micro-batches."""
    return _in_a_loop(layer)


def xla_in_a_loop(layer: Layer) -> Work:
    """Builds the same loop with XLA's own gradients."""
    with traced_as("plain"):
        return _in_a_loop(layer)


def _gradient(layer: Layer, precision: str, number: int) -> Work:
    dtype = jnp.dtype(precision)
    x = jax.random.normal(jax.random.key(0), (N, layer.side, layer.side, layer.i), dtype)
    kernel = jax.random.normal(jax.random.key(1), (layer.k, layer.k, layer.i, layer.o), dtype)
    dy = jnp.ones_like(conv(x, kernel, stride=layer.stride))

    def gradient(x: Any, kernel: Any, dy: Any) -> Any:
        return jax.vjp(lambda x, kernel: conv(x, kernel, stride=layer.stride), x, kernel)[1](dy)[
            number
        ]

    return jitted(gradient, x, kernel, dy)


def _in_a_loop(layer: Layer) -> Work:
    x = jax.random.normal(
        jax.random.key(0), (MICROBATCHES, MICROBATCH_SIZE, layer.side, layer.side, layer.i)
    )
    kernel = jax.random.normal(jax.random.key(1), (layer.k, layer.k, layer.i, layer.o))

    def total(x: Any, kernel: Any) -> Any:
        return jax.lax.map(lambda x: jnp.sin(conv(x, kernel, stride=layer.stride)), x).sum()

    return jitted(jax.grad(total, (0, 1)), x, kernel)


def pytorch(layer: Layer, precision: str, number: int) -> Work:
    """Builds PyTorch's gradient of the same convolution."""
    import torch

    dtype, last = getattr(torch, precision), torch.channels_last
    x = torch.randn(N, layer.i, layer.side, layer.side, dtype=dtype).to(memory_format=last)
    kernel = torch.randn(layer.o, layer.i, layer.k, layer.k, dtype=dtype).to(memory_format=last)
    geometry = ([layer.stride] * 2, [(layer.k - 1) // 2] * 2, [1] * 2, False, [0] * 2, 1)
    y = torch.convolution(x, kernel, None, *geometry)
    dy = torch.ones_like(y)
    wanted = [number == 0, number == 1, False]
    return Work(lambda: torch.ops.aten.convolution_backward(dy, x, kernel, None, *geometry, wanted))
