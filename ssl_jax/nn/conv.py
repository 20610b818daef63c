"""Convolution whose gradients are fast on a CPU.

The forward pass is XLA's own everywhere. On some CPUs, and inside a loop, XLA's gradients are much
slower than its forward pass (``docs/performance.md`` has a table of where they are not), so there
the kernel's is a scan over few images, each step one matrix product, summed in float32, of columns
that stay in cache; the input gradient is a plain convolution. XLA's own are kept on other
platforms, the kernel's where a group has one channel, the input's where there are groups. ``conv``
has no forward-mode derivative; ``xla_conv`` has XLA's.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.linear import product_over_rows

Pair = int | tuple[int, int]
Padding = str | int | tuple[Pair, Pair]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_COLUMNS = 2**21  # numbers in a device's columns of a step: what stays in cache


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


_conv = jax.custom_vjp(_xla_conv, nondiff_argnums=(2,))


def _forward(x: Array, kernel: Array, window: _Window) -> tuple[Array, tuple[Array, Array]]:
    return _xla_conv(x, kernel, window), (x, kernel)


def _backward(window: _Window, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    def xla(x: Array, kernel: Array, dy: Array) -> Array:
        return jax.vjp(lambda kernel: _xla_conv(x, kernel, window), kernel)[1](dy)[0]

    def xla_input(kernel: Array, dy: Array) -> Array:
        return jax.vjp(lambda x: _xla_conv(x, kernel, window), x)[1](dy)[0]

    x, kernel = saved
    plain = partial(_input_gradient, size=x.shape[1:3], window=window)
    dx = lax.platform_dependent(
        kernel,
        dy,
        cpu=plain if window.feature_group_count == 1 and dy.size else xla_input,
        default=xla_input,
    )
    depthwise = window.feature_group_count > 1 and kernel.shape[2] == 1
    cpu = xla if depthwise or not dy.size else partial(_kernel_gradient, window=window)
    return dx, lax.platform_dependent(x, kernel, dy, cpu=cpu, default=xla)


_conv.defvjp(_forward, _backward)


def _input_gradient(kernel: Array, dy: Array, *, size: tuple[int, ...], window: _Window) -> Array:
    """``dy`` convolved with the turned kernel.

    XLA's own names the kernel's axes in another order, and for that its CPU has nothing fast inside
    a loop, as the one over micro-batches.
    """
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    zeros = []
    for axis in range(2):
        reach = window.rhs_dilation[axis] * (kernel.shape[axis] - 1)
        before = reach - window.padding[axis][0]
        covered = (dy.shape[axis + 1] - 1) * window.window_strides[axis] + 1
        zeros.append((before, size[axis] + reach - covered - before))
    return lax.conv_general_dilated(
        dy,
        turned,
        (1, 1),
        zeros,
        lhs_dilation=window.window_strides,
        rhs_dilation=window.rhs_dilation,
        dimension_numbers=_LAYOUT,
    )


def _kernel_gradient(x: Array, kernel: Array, dy: Array, *, window: _Window) -> Array:
    by_columns = partial(_by_columns, window=window)
    groups = window.feature_group_count
    if groups == 1:
        return by_columns(x, kernel, dy)
    parts = (a.reshape(*a.shape[:3], groups, -1) for a in (x, kernel, dy))
    return jax.vmap(by_columns, 3, 3)(*parts).reshape(kernel.shape)


def _by_columns(x: Array, kernel: Array, dy: Array, *, window: _Window) -> Array:
    """``columns(x)^T @ columns(dy)``, a sum over images, few of each device at a time.

    The taps across are columns of ``x``. The taps down are columns of ``dy``, moved the other way:
    three and three copies for a kernel of 3 x 3, and not nine. Where rows are left out (a stride
    down), both are of ``x``.

    A step takes every ``steps``-th image, not a run of neighbours: with a batch sharded over
    devices each then works on images of its own and none is gathered.
    """
    n, h, w, i = x.shape
    p, q, o = dy.shape[1:]
    border = [(0, 0, 0), *((*zeros, 0) for zeros in window.padding), (0, 0, 0)]
    down, across = (
        [slice(r, r + stride * (size - 1) + 1, stride) for r in range(0, k * dilation, dilation)]
        for k, size, stride, dilation in zip(
            kernel.shape[:2], (p, q), window.window_strides, window.rhs_dilation, strict=True
        )
    )
    shifts = [(0, 0)]
    if window.window_strides[0] == 1:
        reach = down[-1].start
        shifts = [(r.start, reach - r.start) for r in down]
        down = [slice(None, p + reach)]

    def add(total: Array, step: Array) -> tuple[Array, None]:
        x_few = lax.dynamic_index_in_dim(x_steps, step, axis=1, keepdims=False)
        dy_few = lax.dynamic_index_in_dim(dy_steps, step, axis=1, keepdims=False)
        padded = lax.pad(x_few, jnp.zeros((), x.dtype), border)
        of_x = [padded[:, r, c] for r in down for c in across]
        of_dy = [jnp.pad(dy_few, ((0, 0), shift, (0, 0), (0, 0))) for shift in shifts]
        x_columns, dy_columns = (
            jnp.concatenate(parts, axis=-1).reshape(-1, len(parts) * parts[0].shape[-1])
            for parts in (of_x, of_dy)
        )
        return total + product_over_rows(x_columns, dy_columns), None

    x_width, dy_width = len(down) * len(across) * i, len(shifts) * o
    rows = (p + shifts[-1][0]) * q * window.feature_group_count
    devices = math.gcd(n, jax.device_count())
    own = n // devices
    few = min(max(1, _COLUMNS // (rows * (x_width + dy_width))), own)
    images = devices * next(m for m in range(few, own + 1) if own % m == 0)
    steps = n // images
    x_steps = x.reshape(images, steps, h, w, i)
    dy_steps = dy.reshape(images, steps, p, q, o)
    total, _ = lax.scan(add, jnp.zeros((x_width, dy_width), jnp.float32), jnp.arange(steps))
    taps = total.reshape(len(down), len(across), i, len(shifts), o)
    return jnp.moveaxis(taps, 3, 0).reshape(kernel.shape).astype(kernel.dtype)
