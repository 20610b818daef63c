"""Convolution whose weight gradient is fast on a CPU.

The forward pass and the input gradient are XLA's own everywhere. XLA's CPU weight gradient is much
slower than its forward pass, so there it is a scan over few images, each step one im2col that stays
in cache and one matrix product. On other platforms XLA's own is kept.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_COLUMNS = 2**20  # numbers in the columns of a step: what stays in cache


class Conv(nnx.Module):
    """2-D convolution without a bias, ``SAME`` padding as in PyTorch's ResNets.

    Args:
      in_features: channels in.
      out_features: channels out.
      kernel_size: of the square kernel.
      stride: of both axes.
      dtype: of the computation; parameters are float32.
      rngs: ``params`` initialises the kernel, He et al. 2015, fan out.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        initializer = jax.nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")
        shape = (kernel_size, kernel_size, in_features, out_features)
        self.kernel = nnx.Param(initializer(rngs.params(), shape))
        self.stride = stride
        self.dtype = dtype

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n p q o"]:
        """Convolve; the output's sides are the input's over the stride, rounded up."""
        return conv(x.astype(self.dtype), self.kernel[...].astype(self.dtype), self.stride)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(
    x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"], stride: int = 1
) -> Float[Array, "n p q o"]:
    """Convolve with ``(k - 1) // 2`` zeros before and the rest after, as PyTorch's ``padding``.

    Args:
      x: ``[n, h, w, i]``.
      kernel: ``[k, k, i, o]``.
      stride: of both axes.

    Returns:
      ``[n, ceil(h / stride), ceil(w / stride), o]``.
    """
    return xla_conv(x, kernel, stride)


def _padding(size: int, k: int, stride: int) -> tuple[int, int]:
    before = (k - 1) // 2
    return before, max((-(-size // stride) - 1) * stride + k - size - before, 0)


def xla_conv(x: Array, kernel: Array, stride: int) -> Array:
    """The same, with XLA's own gradients."""
    k = kernel.shape[0]
    padding = [_padding(size, k, stride) for size in x.shape[1:3]]
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)


def _forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return xla_conv(x, kernel, stride), (x, kernel)


def _backward(stride: int, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    _, input_vjp = jax.vjp(lambda x: xla_conv(x, kernel, stride), x)
    dkernel = lax.platform_dependent(
        x,
        kernel,
        dy,
        cpu=partial(_weight_gradient_by_im2col, stride=stride),
        default=partial(_weight_gradient, stride=stride),
    )
    return input_vjp(dy)[0], dkernel


conv.defvjp(_forward, _backward)


def _weight_gradient(x: Array, kernel: Array, dy: Array, *, stride: int) -> Array:
    _, vjp = jax.vjp(lambda kernel: xla_conv(x, kernel, stride), kernel)
    return vjp(dy)[0]


def _weight_gradient_by_im2col(x: Array, kernel: Array, dy: Array, *, stride: int) -> Array:
    """``sum over images of im2col(x)^T @ dy``, few images at a time.

    A step takes every ``steps``-th image, not a run of neighbours: with a batch sharded over
    devices each then works on images of its own and none is gathered.
    """
    n, h, w, i = x.shape
    p, q, o = dy.shape[1:]
    k = kernel.shape[0]
    width = k * k * i
    few = min(max(1, _COLUMNS // (p * q * width)), n)
    images = next(m for m in range(few, n + 1) if n % m == 0)
    steps = n // images
    border = [(0, 0), _padding(h, k, stride), _padding(w, k, stride), (0, 0)]

    def add(total: Array, step: Array) -> tuple[Array, None]:
        x_few = lax.dynamic_index_in_dim(x_steps, step, axis=1, keepdims=False)
        dy_few = lax.dynamic_index_in_dim(dy_steps, step, axis=1, keepdims=False)
        padded = jnp.pad(x_few, border)
        columns = jnp.concatenate(
            [
                padded[
                    :, r : r + (p - 1) * stride + 1 : stride, c : c + (q - 1) * stride + 1 : stride
                ]
                for r in range(k)
                for c in range(k)
            ],
            axis=-1,
        )
        return total + _product(dy_few.reshape(-1, o), columns.reshape(-1, width)), None

    x_steps = x.reshape(images, steps, h, w, i)
    dy_steps = dy.reshape(images, steps, p, q, o)
    total, _ = lax.scan(add, jnp.zeros((o, width), jnp.float32), jnp.arange(steps))
    return total.T.reshape(k, k, i, o).astype(kernel.dtype)


def _product(dy: Array, columns: Array) -> Array:
    """``dy^T @ columns`` in float32; with its left side transposed before, XLA is twice as fast."""
    if dy.shape[1] < columns.shape[1]:
        dy = lax.optimization_barrier(dy.T)
        return lax.dot(dy, columns, preferred_element_type=jnp.float32)
    return lax.dot_general(
        dy, columns, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32
    )
