"""Sums over positions that are fast on a CPU, with their gradients.

Without YNNPACK (``ssl_jax/cpu.py``), XLA on a CPU is much slower at summing over several axes at
once than at summing over one of them first.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


@jax.custom_vjp
def sum_positions(x: Float[Array, "*n c"]) -> Float[Array, " c"]:
    """Sums over all axes but the last."""
    if x.ndim > 2:
        x = lax.optimization_barrier(x.sum(1))
    return x.sum(range(x.ndim - 1))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def broadcast(x: Float[Array, " c"], shape: tuple[int, ...]) -> Float[Array, "*n c"]:
    """Repeats ``x`` at every position. This and ``sum_positions`` are each other's gradients."""
    return jnp.broadcast_to(x, shape)


def _broadcast_backward(shape: tuple[int, ...], _: None, dy: Array) -> tuple[Array]:
    del shape
    return (sum_positions(dy),)


sum_positions.defvjp(
    lambda x: (sum_positions(x), x.shape), lambda shape, dy: (broadcast(dy, shape),)
)
broadcast.defvjp(lambda x, shape: (broadcast(x, shape), None), _broadcast_backward)
