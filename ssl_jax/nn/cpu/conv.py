"""Convolution with gradients that are fast on a CPU, inside loops too.

Both gradients are convolutions. The input's gradient convolves ``dy`` with the flipped kernel. The
kernel's gradient convolves ``x`` with ``dy``, with the axes of examples and channels swapped. XLA's
own gradients express this by other orders of the axes. Outside loops that costs nothing, but inside
a loop, such as the one over micro-batches, XLA has no fast code for these orders on a CPU
(``docs/performance.md`` has the table). This file therefore moves the axes first, so that both
gradients are plain convolutions.

If the kernel has more positions than ``x`` has pixels, XLA swaps the operands and flips one, which
is slow on a CPU too. In that case zeros are added to ``x`` first.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Window(NamedTuple):
    """How the kernel moves over the input, in the terms of ``lax.conv_general_dilated``."""

    window_strides: tuple[int, int]
    padding: tuple[tuple[int, int], ...]
    rhs_dilation: tuple[int, int] = (1, 1)
    feature_group_count: int = 1


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(
    x: Float[Array, "n h w i"], kernel: Float[Array, "k l j o"], window: Window
) -> Float[Array, "n p q o"]:
    """Applies ``lax.conv_general_dilated``, with custom gradients if there is a single group."""
    if window.feature_group_count > 1:
        return _xla_conv(x, kernel, window)
    return _plain(
        x, kernel, window.window_strides, window.padding, kernel_dilation=window.rhs_dilation
    )


def _xla_conv(x: Array, kernel: Array, window: Window) -> Array:
    return lax.conv_general_dilated(x, kernel, dimension_numbers=_LAYOUT, **window._asdict())


def _forward(x: Array, kernel: Array, window: Window) -> tuple[Array, tuple[Array, Array]]:
    return conv(x, kernel, window), (x, kernel)


def _backward(window: Window, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    if window.feature_group_count > 1 or not dy.size:
        return jax.vjp(partial(_xla_conv, window=window), *saved)[1](dy)
    return _gradients(*saved, dy, window=window)


conv.defvjp(_forward, _backward)


def _gradients(x: Array, kernel: Array, dy: Array, *, window: Window) -> tuple[Array, Array]:
    """Returns the gradients of the input and the kernel.

    ``around_x`` and ``around_dy`` are the zeros added before and after; negative numbers crop.
    """
    around_x, around_dy = [], []
    for axis in range(2):
        size, k, p = x.shape[1 + axis], kernel.shape[axis], dy.shape[1 + axis]
        reach = window.rhs_dilation[axis] * (k - 1)
        read = window.window_strides[axis] * (p - 1) + 1 + reach
        before = window.padding[axis][0]
        after = read - size - before
        around_x.append((before, after))
        around_dy.append((reach - before, reach - after))
    of_x = _plain(
        dy,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        around_dy,
        dilation=window.window_strides,
        kernel_dilation=window.rhs_dilation,
    )
    of_kernel = _plain(
        x.transpose(3, 1, 2, 0),
        dy.transpose(1, 2, 0, 3),
        window.rhs_dilation,
        around_x,
        kernel_dilation=window.window_strides,
    )
    return of_x, of_kernel.transpose(1, 2, 0, 3)


def _plain(
    x: Array,
    kernel: Array,
    strides: tuple[int, int],
    padding: Sequence[tuple[int, int]],
    *,
    dilation: tuple[int, int] = (1, 1),
    kernel_dilation: tuple[int, int] = (1, 1),
) -> Array:
    """Convolves such that XLA does not swap the operands.

    The barrier keeps XLA from taking the zeros out of ``x`` again.
    """
    if math.prod(kernel.shape[:2]) > math.prod(x.shape[1:3]):
        around = [(*ends, step - 1) for ends, step in zip(padding, dilation, strict=True)]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
        x, padding, dilation = lax.optimization_barrier(x), [(0, 0), (0, 0)], (1, 1)
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        lhs_dilation=dilation,
        rhs_dilation=kernel_dilation,
        dimension_numbers=_LAYOUT,
    )
