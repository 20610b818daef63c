"""2-D convolutions."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn import platform
from ssl_jax.nn.cpu import conv as cpu

Pair = int | tuple[int, int]
Padding = str | int | tuple[Pair, Pair]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Conv(nnx.Module):
    """2-D convolution without a bias. By default it pads as PyTorch's ResNets do.

    Args:
      in_features: input channels.
      out_features: output channels.
      kernel_size: one number for both axes, or one per axis.
      stride, padding, dilation, groups: as in ``conv``.
      dtype: of the computation; parameters are float32.
      rngs: ``params`` initializes the kernel as in He et al. 2015, with the fan-out.
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
        """Convolves. With the default padding, sides are divided by the stride and rounded up."""
        return conv(
            x.astype(self.dtype),
            self.kernel[...].astype(self.dtype),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


def conv(
    x: Float[Array, "n h w i"],
    kernel: Float[Array, "k l j o"],
    *,
    stride: Pair = 1,
    padding: Padding = "TORCH",
    dilation: Pair = 1,
    groups: int = 1,
) -> Float[Array, "n p q o"]:
    """Convolves, with the shapes and values of ``flax.nnx.Conv``.

    Args:
      x: ``[n, h, w, i]``.
      kernel: ``[k, l, i / groups, o]``.
      stride: one number for both axes, or one per axis.
      padding: ``SAME`` or ``VALID`` as in XLA; a number of zeros for all sides, one per axis, or a
        pair (before, after) per axis; or ``TORCH``, as in PyTorch's ResNets: ``dilation * (k - 1)``
        zeros per axis, half before and half after, with an odd one after.
      dilation: of the kernel; one number for both axes, or one per axis.
      groups: number of groups of channels, which are convolved separately.

    Returns:
      ``[n, p, q, o]``.
    """
    strides, dilations = _pair(stride), _pair(dilation)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel.shape[:2], dilations, strict=True)]
    if padding == "TORCH":
        zeros = [((span - 1) // 2, span // 2) for span in spans]
    elif isinstance(padding, str):
        zeros = lax.padtype_to_pads(x.shape[1:3], spans, strides, padding)
    else:
        zeros = [_pair(sides) for sides in _pair(padding)]
    if platform.form() == "cpu":
        return cpu.conv(x, kernel, cpu.Window(strides, tuple(zeros), dilations, groups))
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        zeros,
        rhs_dilation=dilations,
        feature_group_count=groups,
        dimension_numbers=_LAYOUT,
    )


def doubled(x: Float[Array, "n h w i"], kernel: Float[Array, "4 4 i o"]) -> Float[Array, "n p q o"]:
    """Doubles the sides: a transposed convolution of stride 2.

    It equals a convolution of ``x`` with zeros between its pixels.

    Args:
      x: ``[n, h, w, i]``.
      kernel: ``[4, 4, i, o]``.

    Returns:
      ``[n, 2 h, 2 w, o]``.
    """
    if platform.form() == "cpu":
        between = [(0, 0, 0), (0, 0, 1), (0, 0, 1), (0, 0, 0)]
        x = lax.pad(x, jnp.zeros((), x.dtype), between)
        return cpu.conv(x, kernel, cpu.Window((1, 1), ((2, 2), (2, 2))))
    return lax.conv_general_dilated(
        x, kernel, (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2), dimension_numbers=_LAYOUT
    )


def _pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int) else value
