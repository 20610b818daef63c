"""Sums over positions, and their gradients, that are fast on a CPU.

Without YNNPACK (``ssl_jax/cpu.py``) XLA's CPU sums an array over several axes at once much more
slowly than over one of them first. Other platforms keep their one reduction.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


@jax.custom_vjp
def sum_positions(x: Float[Array, "*n c"]) -> Float[Array, " c"]:
    """The sum over all axes but the last."""
    return lax.platform_dependent(x, cpu=_second_axis_first, default=_at_once)


def _at_once(x: Array) -> Array:
    return x.sum(range(x.ndim - 1))


def _second_axis_first(x: Array) -> Array:
    return _at_once(lax.optimization_barrier(x.sum(1)) if x.ndim > 2 else x)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def spread(x: Float[Array, " c"], shape: tuple[int, ...]) -> Float[Array, "*n c"]:
    """``x`` at every position; its gradient is ``sum_positions``, and the other way round."""
    return jnp.broadcast_to(x, shape)


def _spread_backward(shape: tuple[int, ...], _: None, dy: Array) -> tuple[Array]:
    del shape
    return (sum_positions(dy),)


sum_positions.defvjp(lambda x: (sum_positions(x), x.shape), lambda shape, dy: (spread(dy, shape),))
spread.defvjp(lambda x, shape: (spread(x, shape), None), _spread_backward)
