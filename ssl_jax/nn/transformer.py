"""Transformer blocks, which ViT, GPT and MAE's decoder share.

LayerNorm comes before attention and before the MLP (pre-norm), with an epsilon of 1e-6; queries,
keys and values have biases; GELU is exact. Weights start from a truncated normal with a standard
deviation of .02, biases from zero.
"""

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.attention import attention
from ssl_jax.nn.functional import rematerialized
from ssl_jax.nn.gelu import gelu
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm

initializer = jax.nn.initializers.truncated_normal(0.02)


class Block(nnx.Module):
    """Attention and an MLP of four times the width, each with LayerNorm and a residual connection.

    Args:
      width: of a token.
      heads: number of attention heads.
      causal: whether a token attends to itself and earlier tokens only.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        layer = partial(Linear, kernel_init=initializer, dtype=dtype, rngs=rngs)
        self.heads = heads
        self.causal = causal
        self.norm1 = layer_norm(width, dtype=dtype, rngs=rngs)
        self.qkv = layer(width, 3 * width)
        self.out = layer(width, width)
        self.norm2 = layer_norm(width, dtype=dtype, rngs=rngs)
        self.up = layer(width, 4 * width)
        self.down = layer(4 * width, width)

    def __call__(self, x: Float[Array, "n t d"]) -> Float[Array, "n t d"]:
        """Adds attention, then the MLP."""
        n, t, d = x.shape
        qkv = jnp.split(self.qkv(self.norm1(x)), 3, axis=-1)
        query, key, value = (part.reshape(n, t, self.heads, -1) for part in qkv)
        mixed = attention(query, key, value, causal=self.causal)
        x = x + self.out(mixed.reshape(n, t, d))
        return x + self.down(gelu(self.up(self.norm2(x))))


def block_outputs(
    blocks: Iterable[Block], tokens: Float[Array, "n t d"], *, remat: bool
) -> list[Float[Array, "n t d"]]:
    """Returns every block's output.

    Args:
      blocks: applied in order.
      tokens: ``[n, t, d]``.
      remat: whether the backward pass recomputes the blocks' activations, to save memory.
    """
    outputs = []
    for block in blocks:
        tokens = rematerialized(block, tokens) if remat else block(tokens)
        outputs.append(tokens)
    return outputs
