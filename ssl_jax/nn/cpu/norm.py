"""BatchNorm and LayerNorm that are fast on a CPU. Sums are in float32."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ssl_jax.nn.cpu.sums import broadcast, sum_positions


def batch_norm(
    x: Float[Array, "*n c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> tuple[Float[Array, "*n c"], Float[Array, " c"], Float[Array, " c"]]:
    """Normalizes by the statistics of the batch.

    Returns:
      The result in float32, and the mean and variance of each feature.
    """
    x = x.astype(jnp.float32)
    count = x.size // x.shape[-1]
    mean = sum_positions(x) / count
    var = jnp.maximum(sum_positions(x * x) / count - mean * mean, 0.0)
    slope = broadcast(scale * lax.rsqrt(var + epsilon), x.shape)
    return (x - broadcast(mean, x.shape)) * slope + broadcast(bias, x.shape), mean, var


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def layer_norm(
    x: Float[Array, "*n c"], scale: Float[Array, " c"], bias: Float[Array, " c"], epsilon: float
) -> Float[Array, "*n c"]:
    """Normalizes each position; keeps the input and two numbers per position for the gradient."""
    return _forward(x, scale, bias, epsilon)[0]


def _forward(x: Array, scale: Array, bias: Array, epsilon: float) -> tuple[Array, Any]:
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    inverse = lax.rsqrt(jnp.square(wide - mean).mean(-1, keepdims=True) + epsilon)
    return ((wide - mean) * inverse * scale + bias).astype(x.dtype), (x, scale, mean, inverse)


def _backward(epsilon: float, saved: Any, dy: Array) -> tuple[Array, Array, Array]:
    del epsilon
    x, scale, mean, inverse = saved
    normalized = (x.astype(jnp.float32) - mean) * inverse
    dy = dy.astype(jnp.float32)
    dn = dy * scale
    along = (dn * normalized).mean(-1, keepdims=True)
    dx = inverse * (dn - dn.mean(-1, keepdims=True) - normalized * along)
    return dx.astype(x.dtype), sum_positions(dy * normalized), sum_positions(dy)


layer_norm.defvjp(_forward, _backward)
