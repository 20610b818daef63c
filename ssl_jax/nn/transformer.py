"""Transformer blocks, which ViT, GPT and MAE's decoder share.

LayerNorm comes before attention and before the MLP (pre-norm), with an epsilon of 1e-6; queries,
keys and values have biases; GELU is exact. Weights start from a normal distribution with a standard
deviation of .02, biases from zero. (The ``trunc_normal_`` of most code cuts at -2 and 2, which is
100 standard deviations.)
"""

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.attention import attention
from ssl_jax.nn.drop_path import scaled
from ssl_jax.nn.functional import rematerialized
from ssl_jax.nn.gelu import gelu
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm

initializer = jax.nn.initializers.normal(0.02)
by_fan_in = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""The default of PyTorch's linear layers and convolutions."""


class Block(nnx.Module):
    """Attention and an MLP of four times the width, each with LayerNorm and a residual connection.

    Args:
      width: of a token.
      heads: number of attention heads.
      causal: whether a token attends to itself and earlier tokens only.
      kernel_init: of the weights.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool = False,
        kernel_init: Initializer = initializer,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        layer = partial(Linear, kernel_init=kernel_init, dtype=dtype, rngs=rngs)
        self.heads = heads
        self.causal = causal
        self.norm1 = layer_norm(width, dtype=dtype, rngs=rngs)
        self.qkv = layer(width, 3 * width)
        self.out = layer(width, width)
        self.norm2 = layer_norm(width, dtype=dtype, rngs=rngs)
        self.up = layer(width, 4 * width)
        self.down = layer(4 * width, width)

    def __call__(
        self, x: Float[Array, "n t d"], keep: Float[Array, "n 2"] | None = None
    ) -> Float[Array, "n t d"]:
        """Adds attention, then the MLP, each scaled by ``keep`` if given; see ``drop_path``."""
        n, t, d = x.shape
        of_attention, of_mlp = (None, None) if keep is None else (keep[:, 0], keep[:, 1])
        qkv = jnp.split(self.qkv(self.norm1(x)), 3, axis=-1)
        query, key, value = (part.reshape(n, t, self.heads, -1) for part in qkv)
        mixed = attention(query, key, value, causal=self.causal)
        x = x + scaled(self.out(mixed.reshape(n, t, d)), of_attention)
        return x + scaled(self.down(gelu(self.up(self.norm2(x)))), of_mlp)


def block_outputs(
    blocks: Iterable[Block],
    tokens: Float[Array, "n t d"],
    keep: Float[Array, "n r"] | None = None,
    *,
    remat: bool,
) -> list[Float[Array, "n t d"]]:
    """Returns every block's output.

    Args:
      blocks: applied in order.
      tokens: ``[n, t, d]``.
      keep: scales of the residual branches, two per block; see ``drop_path``.
      remat: whether the backward pass recomputes the blocks' activations, to save memory.
    """
    outputs = []
    for number, block in enumerate(blocks):
        scales = None if keep is None else keep[:, 2 * number : 2 * number + 2]
        tokens = rematerialized(block, tokens, scales) if remat else block(tokens, scales)
        outputs.append(tokens)
    return outputs
