"""Multi-head attention."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ssl_jax.nn import platform

_LARGEST_HEAD = 128


def attention(
    query: Float[Array, "n q h d"],
    key: Float[Array, "n k h d"],
    value: Float[Array, "n k h d"],
    *,
    causal: bool = False,
) -> Float[Array, "n q h d"]:
    """Mixes values by how well their keys match a query.

    ``softmax(query key^T / sqrt(d)) value`` per head, with the softmax in float32.

    The plain form keeps the weights of all pairs of positions for the backward pass. cuDNN's kernel
    does not; it is used on NVIDIA GPUs if it supports the type and the head size.

    Args:
      query: ``[n, q, h, d]``.
      key: ``[n, k, h, d]``.
      value: ``[n, k, h, d]``.
      causal: whether a query attends only to keys up to its own position.

    Returns:
      ``[n, q, h, d]``, in the type of ``value``.

    References:
      Vaswani et al., Attention Is All You Need, 2017, equation 1, https://arxiv.org/abs/1706.03762
      Dao et al., FlashAttention, 2022, for the kernel, https://arxiv.org/abs/2205.14135
    """
    if platform.form() == "cudnn" and _fits_cudnn(query):
        return _by_cudnn(query, key, value, causal=causal)
    logits = jnp.einsum("nqhd,nkhd->nhqk", query, key, preferred_element_type=jnp.float32)
    logits = logits / query.shape[-1] ** 0.5
    if causal:
        logits = jnp.where(jnp.tri(query.shape[1], key.shape[1], dtype=bool), logits, -jnp.inf)
    weights = jax.nn.softmax(logits)
    return jnp.einsum("nhqk,nkhd->nqhd", weights.astype(value.dtype), value)


def _by_cudnn(query: Array, key: Array, value: Array, *, causal: bool) -> Array:
    """Calls cuDNN's kernel, which JAX differentiates only for even numbers of positions.

    Odd numbers, such as those of patches and a class token, are padded by a position. A key that
    is padding is masked, and what a query that is padding receives is cut off.
    """
    lengths = jnp.full(len(key), key.shape[1], jnp.int32) if key.shape[1] % 2 else None
    mixed = jax.nn.dot_product_attention(
        *map(_even, (query, key, value)),
        is_causal=causal,
        key_value_seq_lengths=lengths,
        implementation="cudnn",
    )
    return mixed[:, : query.shape[1]]


def _even(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0)))


def _fits_cudnn(query: Array) -> bool:
    size = query.shape[-1]
    return query.dtype in (jnp.bfloat16, jnp.float16) and size % 8 == 0 and size <= _LARGEST_HEAD
