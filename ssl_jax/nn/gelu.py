"""The GELU activation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.nn import platform
from ssl_jax.nn.cpu import gelu as cpu


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Multiplies ``x`` by the cumulative normal distribution at ``x``; computes in float32.

    References:
      Hendrycks & Gimpel, Gaussian Error Linear Units, 2016, https://arxiv.org/abs/1606.08415
    """
    if platform.form() == "cpu":
        return cpu.gelu(x)
    return jax.nn.gelu(x.astype(jnp.float32), approximate=False).astype(x.dtype)
