"""GPT-2 (Radford et al., Language Models are Unsupervised Multitask Learners, 2019).

A transformer that reads from left to right (section 2.3): LayerNorm before attention and before the
MLP, one more after the last block, positions that are learned, and an output that shares its
weights with the embedding of the tokens. Weights start normal with deviation .02, the embeddings
too, those that end a way around divided by sqrt(2 depth) as the section asks; biases zero. As in
``vit``, whose blocks these are, LayerNorm's epsilon is 1e-6, GELU is exact, and the normal is
truncated; GPT-2 has 1e-5, GELU by tanh, and dropout, of which there is none here.
"""

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.transformer import Block, block_outputs, initializer


class GPT(nnx.Module):
    """Tokens and their positions, blocks of causal attention, and the next token's logits.

    Args:
      vocabulary: how many tokens there are.
      tokens: how many positions are learned: the longest text.
      width: of a token.
      depth: how many blocks.
      heads: of the attention.
      remat: the backward pass computes the blocks again, and holds the inside of one at a time.
      dtype: of the computation; parameters, LayerNorm's sums and the logits are float32.
      rngs: ``params`` initialises.
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
        """Features of texts, and what their tokens predict.

        Args:
          tokens: ``[n, t]``, from 0 to ``vocabulary - 1``.
          train: makes no difference; nothing is drawn and there are no statistics.

        Returns:
          All float32. ``block1``, ``block2``, ...: each block's output, its mean over the
          positions, ``[n, d]``; ``features``: the last of them after the final LayerNorm, likewise;
          ``logits``: ``[n, t, vocabulary]``, position ``i`` of token ``i + 1``.

        Raises:
          ValueError: the text is longer than the positions learned.
        """
        del train
        outputs = self.encode(tokens)
        last = self.norm(outputs[-1])
        layers = {f"block{i}": x for i, x in enumerate(outputs, start=1)} | {"features": last}
        pooled = {name: x.mean(1, dtype=jnp.float32) for name, x in layers.items()}
        return pooled | {"logits": self.logits(last)}

    def encode(self, tokens: Int[Array, "n t"]) -> list[Float[Array, "n t d"]]:
        """Every block's output; ``norm`` of the last is the encoding.

        Raises:
          ValueError: the text is longer than the positions learned.
        """
        t, longest = tokens.shape[1], len(self.positions)
        if t > longest:
            raise ValueError(f"text of {t} tokens exceeds the {longest} positions learned")
        x = (self.embedding[...][tokens] + self.positions[:t]).astype(self.dtype)
        return block_outputs(self.blocks, x, remat=self.remat)

    def logits(self, encoding: Float[Array, "n t d"]) -> Float[Array, "n t k"]:
        """Products with the tokens' embeddings, in float32."""
        table = self.embedding[...].astype(self.dtype)
        return jnp.einsum("ntd,kd->ntk", encoding, table, preferred_element_type=jnp.float32)


gpt_nano = partial(GPT, width=128, depth=4, heads=4)
gpt2_small = partial(GPT, width=768, depth=12, heads=12)
