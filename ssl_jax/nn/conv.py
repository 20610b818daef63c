"""Convolution that is fast on a CPU, with its gradients, in a loop too.

Both gradients are convolutions again: the input's is ``dy`` convolved with the turned kernel, the
kernel's is ``x`` convolved with ``dy``, examples and channels in each other's places. XLA's own
name the axes in other orders. Outside of loops that costs nothing; inside one, as over
micro-batches, its CPU has nothing fast for them (``docs/performance.md`` has the table). Here the
axes are moved first, so that either is a plain convolution.

XLA changes the places of operands where the kernel covers more pixels than ``x`` has, and turns one
of the two, for which its CPU has nothing fast either. There zeros are made part of ``x``.

All else is XLA's own: the forward pass of a kernel that covers no more than ``x``, other
platforms, groups. ``conv`` has no forward-mode derivative; ``xla_conv`` has XLA's.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Pair = int | tuple[int, int]
Padding = str | int | tuple[Pair, Pair]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Conv(nnx.Module):
    """2-D convolution without a bias, padded by default as in PyTorch's ResNets.

    Args:
      in_features: channels in.
      out_features: channels out.
      kernel_size: of both axes, or of each.
      stride, padding, dilation, groups: as in ``conv``.
      dtype: of the computation; parameters are float32.
      rngs: ``params`` initialises the kernel, He et al. 2015, fan out.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Padding = "TORCH",
        dilation: Pair = 1,
        groups: int = 1,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        initializer = jax.nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")
        shape = (*_pair(kernel_size), in_features // groups, out_features)
        self.kernel = nnx.Param(initializer(rngs.params(), shape))
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        self.dtype = dtype

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n p q o"]:
        """Convolve; with the default padding the sides are divided by the stride, rounded up."""
        x, kernel = x.astype(self.dtype), self.kernel[...].astype(self.dtype)
        window = _window(x, kernel, self.stride, self.padding, self.dilation, self.groups)
        return _conv(x, kernel, window)


def conv(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "k l j o"],
    *,
    stride: Pair = 1,
    padding: Padding = "TORCH",
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[Array, "n p q o"]:
    """Convolve; shapes and values are those of ``flax.nnx.Conv``.

    Args:
      x: ``[n, h, w, i]``.
      kernel: ``[k, l, i / groups, o]``.
      stride: of both axes, or of each.
      padding: ``SAME`` or ``VALID`` as in XLA; zeros on all sides, or of each axis, or of each axis
        before and after; or ``TORCH``, as in PyTorch's ResNets: ``dilation * (k - 1)`` zeros, half
        before, half after, an odd one after.
      dilation: of the kernel, on both axes or on each.
      groups: parts of the channels, each convolved on its own.

    Returns:
      ``[n, p, q, o]``.
    """
    return _conv(x, kernel, _window(x, kernel, stride, padding, dilation, groups))


def xla_conv(x: Array, kernel: Array, **window: Any) -> Array:
    """``conv``, of the same arguments, with XLA's own derivatives."""
    return _xla_conv(x, kernel, _window(x, kernel, **window))


class _Window(NamedTuple):
    """How the kernel moves, in the words of ``lax.conv_general_dilated``."""

    window_strides: tuple[int, int]
    padding: tuple[tuple[int, int], ...]
    rhs_dilation: tuple[int, int]
    feature_group_count: int


def _window(
    x: Array,
    kernel: Array,
    stride: Pair = 1,
    padding: Padding = "TORCH",
    dilation: Pair = 1,
    groups: int = 1,
) -> _Window:
    strides, dilations = _pair(stride), _pair(dilation)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel.shape[:2], dilations, strict=True)]
    if padding == "TORCH":
        zeros = [((span - 1) // 2, span // 2) for span in spans]
    elif isinstance(padding, str):
        zeros = lax.padtype_to_pads(x.shape[1:3], spans, strides, padding)
    else:
        zeros = [_pair(sides) for sides in _pair(padding)]
    return _Window(strides, tuple(zeros), dilations, groups)


def _pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int) else value


def _xla_conv(x: Array, kernel: Array, window: _Window) -> Array:
    return lax.conv_general_dilated(x, kernel, dimension_numbers=_LAYOUT, **window._asdict())


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x: Array, kernel: Array, window: _Window) -> Array:
    xla = partial(_xla_conv, window=window)
    if window.feature_group_count > 1 or not _covers(kernel, x):
        return xla(x, kernel)

    def cpu(x: Array, kernel: Array) -> Array:
        strides, padding, dilation, _ = window
        return _on_cpu(x, kernel, strides, padding, dilation=dilation)

    return lax.platform_dependent(x, kernel, cpu=cpu, default=xla)


def _forward(x: Array, kernel: Array, window: _Window) -> tuple[Array, tuple[Array, Array]]:
    return _conv(x, kernel, window), (x, kernel)


def _backward(window: _Window, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    def xla(x: Array, kernel: Array, dy: Array) -> tuple[Array, Array]:
        return jax.vjp(partial(_xla_conv, window=window), x, kernel)[1](dy)

    own = window.feature_group_count > 1 or not dy.size
    cpu = xla if own else partial(_gradients, window=window)
    return lax.platform_dependent(*saved, dy, cpu=cpu, default=xla)


_conv.defvjp(_forward, _backward)


def _gradients(x: Array, kernel: Array, dy: Array, *, window: _Window) -> tuple[Array, Array]:
    """Of the input and the kernel; ``around_`` are zeros, or cuts where negative."""
    around_x, around_dy = [], []
    for axis in range(2):
        size, k, p = x.shape[1 + axis], kernel.shape[axis], dy.shape[1 + axis]
        reach = window.rhs_dilation[axis] * (k - 1)
        read = window.window_strides[axis] * (p - 1) + 1 + reach
        before = window.padding[axis][0]
        after = read - size - before
        around_x.append((before, after))
        around_dy.append((reach - before, reach - after))
    of_x = _on_cpu(
        dy,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        around_dy,
        spread=window.window_strides,
        dilation=window.rhs_dilation,
    )
    of_kernel = _on_cpu(
        x.transpose(3, 1, 2, 0),
        dy.transpose(1, 2, 0, 3),
        window.rhs_dilation,
        around_x,
        dilation=window.window_strides,
    )
    return of_x, of_kernel.transpose(1, 2, 0, 3)


def _on_cpu(
    x: Array,
    kernel: Array,
    strides: tuple[int, int],
    padding: Sequence[tuple[int, int]],
    *,
    spread: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> Array:
    """A plain convolution of ``x``, its pixels spread; the barrier keeps zeros part of it."""
    if _covers(kernel, x):
        around = [(*ends, step - 1) for ends, step in zip(padding, spread, strict=True)]
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
        x, padding, spread = lax.optimization_barrier(x), [(0, 0), (0, 0)], (1, 1)
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=_LAYOUT,
    )


def _covers(kernel: Array, x: Array) -> bool:
    """Whether the kernel has more positions than ``x`` has pixels."""
    return math.prod(kernel.shape[:2]) > math.prod(x.shape[1:3])
