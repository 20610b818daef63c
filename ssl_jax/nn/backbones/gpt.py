"""GPT-2 (Radford et al., Language Models are Unsupervised Multitask Learners, 2019).

A transformer that reads from left to right (section 2.3): LayerNorm before attention and before the
MLP, another one after the last block, learned positions, and an output that shares its weights with
the token embeddings. Weights and embeddings start from a normal distribution with a standard
deviation of .02; as the section asks, the last weights of each residual branch are then divided by
sqrt(2 depth). Biases start from zero.

The blocks are those of ``nn.transformer``, so some details differ from GPT-2: LayerNorm's epsilon
is 1e-6 (GPT-2: 1e-5), GELU is exact (GPT-2: approximated by tanh), positions start like the rest
(GPT-2's code: .01), and there is no dropout.
"""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.transformer import Block, block_outputs, initializer


class GPT(nnx.Module):
    """Embeds tokens and positions, applies causal blocks, and predicts the next token.

    Args:
      vocabulary: number of different tokens.
      tokens: number of learned positions: the length of the longest text.
      width: of a token.
      depth: number of blocks.
      heads: number of attention heads.
      remat: whether the backward pass recomputes the blocks, and so holds the activations of one
        at a time.
      dtype: of the computation; parameters, LayerNorm's sums and the logits are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        tokens: int,
        width: int,
        depth: int,
        heads: int,
        remat: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.remat = remat
        self.dtype = dtype
        self.features = width
        self.embedding = nnx.Param(initializer(rngs.params(), (vocabulary, width)))
        self.positions = nnx.Param(initializer(rngs.params(), (tokens, width)))
        make = partial(Block, width, heads, causal=True, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List([make() for _ in range(depth)])
        for block in self.blocks:
            for last in (block.out, block.down):
                last.kernel[...] = last.kernel[...] / (2 * depth) ** 0.5
        self.norm = layer_norm(width, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: Int[Array, "n t"], *, train: bool) -> dict[str, Float[Array, "..."]]:
        """Computes features of texts, and predicts the token after each position.

        Args:
          tokens: ``[n, t]``, from 0 to ``vocabulary - 1``.
          train: has no effect: nothing is drawn and there are no statistics.

        Returns:
          All float32. ``block1``, ``block2``, ...: each block's output, averaged over positions,
          ``[n, d]``; ``features``: the last block's output after the final LayerNorm, averaged
          likewise; ``logits``: ``[n, t, vocabulary]``, at position ``i`` those of token ``i + 1``.

        Raises:
          ValueError: the text is longer than the learned positions.
        """
        del train
        outputs = self.encode(tokens)
        last = self.norm(outputs[-1])
        layers = {f"block{i}": x for i, x in enumerate(outputs, start=1)} | {"features": last}
        pooled = {name: x.mean(1, dtype=jnp.float32) for name, x in layers.items()}
        return pooled | {"logits": self.logits(last)}

    def encode(self, tokens: Int[Array, "n t"]) -> list[Float[Array, "n t d"]]:
        """Returns every block's output; ``norm`` of the last one is the encoding.

        Raises:
          ValueError: the text is longer than the learned positions.
        """
        t, longest = tokens.shape[1], len(self.positions)
        if t > longest:
            raise ValueError(f"text of {t} tokens exceeds the {longest} learned positions")
        x = (self.embedding[...][tokens] + self.positions[:t]).astype(self.dtype)
        return block_outputs(self.blocks, x, remat=self.remat)

    def logits(self, encoding: Float[Array, "n t d"]) -> Float[Array, "n t k"]:
        """Returns the products of an encoding with the token embeddings, in float32."""
        table = self.embedding[...].astype(self.dtype)
        return jnp.einsum("ntd,kd->ntk", encoding, table, preferred_element_type=jnp.float32)


gpt_nano = partial(GPT, width=128, depth=4, heads=4)
gpt2_small = partial(GPT, width=768, depth=12, heads=12)
