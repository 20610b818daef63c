"""Attention, with fewer copies on a CPU than ``jax.nn.dot_product_attention``."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def attention(
    query: Float[Array, "n q h d"],
    key: Float[Array, "n k h d"],
    value: Float[Array, "n k h d"],
    *,
    causal: bool = False,
) -> Float[Array, "n q h d"]:
    """``softmax(query key^T / sqrt(d)) value`` of every head, the softmax in float32.

    Where ``causal``, a query sees the keys up to its own position, and none that follow.

    References:
      Vaswani et al., Attention Is All You Need, 2017, equation 1, https://arxiv.org/abs/1706.03762
    """
    logits = jnp.einsum("nqhd,nkhd->nhqk", query, key, preferred_element_type=jnp.float32)
    logits = logits / query.shape[-1] ** 0.5
    if causal:
        logits = jnp.where(jnp.tri(query.shape[1], key.shape[1], dtype=bool), logits, -jnp.inf)
    weights = jax.nn.softmax(logits)
    return jnp.einsum("nhqk,nkhd->nqhd", weights.astype(value.dtype), value)
