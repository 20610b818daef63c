"""Matrix products whose weight gradient is fast on a CPU.

XLA's CPU sums over the rows of both sides, ``a^T @ b``, more slowly than in a plain product (jax
0.10.2). With the narrower side transposed in memory before, it is a plain one.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float


def linear(i: int, o: int, **options: Any) -> nnx.Linear:
    """``nnx.Linear(i, o, **options)`` with that gradient."""
    return nnx.Linear(i, o, dot_general=_dot_general, **options)


def product_over_rows(a: Float[Array, "n i"], b: Float[Array, "n o"]) -> Float[Array, "i o"]:
    """``a^T @ b`` in float32, as a CPU does it fast."""
    if a.shape[1] > b.shape[1]:
        return product_over_rows(b, a).T
    return lax.dot(lax.optimization_barrier(a.T), b, preferred_element_type=jnp.float32)


def _dot_general(x: Array, kernel: Array, dimensions: Any, **options: Any) -> Array:
    """``lax.dot_general`` as ``nnx.Linear`` calls it: last axis of ``x``, first of ``kernel``."""
    del dimensions, options
    return _product(x, kernel)


@jax.custom_vjp
def _product(x: Float[Array, "*n i"], kernel: Float[Array, "i o"]) -> Float[Array, "*n o"]:
    return x @ kernel


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _backward(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    dkernel = lax.platform_dependent(*rows, cpu=product_over_rows, default=_over_rows)
    return dy @ kernel.T, dkernel.astype(kernel.dtype)


def _over_rows(a: Array, b: Array) -> Array:
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)


_product.defvjp(_forward, _backward)
