"""Sums over positions, and their gradients, that are fast on a CPU.

Without YNNPACK (``ssl_jax/cpu.py``) XLA's CPU sums an array over several axes at once much more
slowly than over one of them first.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


@jax.custom_vjp
def sum_positions(x: Float[Array, "*n c"]) -> Float[Array, " c"]:
    """The sum over all axes but the last."""
    if x.ndim > 2:
        x = lax.optimization_barrier(x.sum(1))
    return x.sum(range(x.ndim - 1))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def broadcast(x: Float[Array, " c"], shape: tuple[int, ...]) -> Float[Array, "*n c"]:
    """``x`` at every position; its gradient is ``sum_positions``, and the other way round."""
    return jnp.broadcast_to(x, shape)


def _broadcast_backward(shape: tuple[int, ...], _: None, dy: Array) -> tuple[Array]:
    del shape
    return (sum_positions(dy),)


sum_positions.defvjp(
    lambda x: (sum_positions(x), x.shape), lambda shape, dy: (broadcast(dy, shape),)
)
broadcast.defvjp(lambda x, shape: (broadcast(x, shape), None), _broadcast_backward)
