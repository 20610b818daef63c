"""A linear layer whose gradients are fast on a CPU.

JAX's weight gradient computes ``dy^T @ x`` and transposes the result. On a CPU, XLA transposes
``dy`` in memory for it, which in an MLP is the wider operand. ``x^T @ dy`` needs no transpose. The
bias's gradient is ``sums.sum_positions``.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ssl_jax.nn.cpu.sums import broadcast


def linear(
    x: Float[Array, "*n i"], kernel: Float[Array, "i o"], bias: Float[Array, " o"] | None
) -> Float[Array, "*n o"]:
    """Returns ``x @ kernel + bias`` in the type of ``x``."""
    y = _product(x, kernel.astype(x.dtype))
    return y if bias is None else y + broadcast(bias, y.shape).astype(y.dtype)


def product_over_rows(a: Float[Array, "n i"], b: Float[Array, "n o"]) -> Float[Array, "i o"]:
    """Returns ``a^T @ b`` in float32."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)


@jax.custom_vjp
def _product(x: Float[Array, "*n i"], kernel: Float[Array, "i o"]) -> Float[Array, "*n o"]:
    return x @ kernel


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _backward(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    dkernel = product_over_rows(x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1]))
    return dy @ kernel.T, dkernel.astype(kernel.dtype)


_product.defvjp(_forward, _backward)
