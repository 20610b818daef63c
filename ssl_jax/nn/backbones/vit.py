"""Vision Transformers (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929).

As in DeiT, DINO and MAE: LayerNorm (epsilon 1e-6) before attention and before the MLP, biases on
queries, keys and values, exact GELU, and learned positions. Initialization is DINO's: a normal
distribution with a standard deviation of .02 for weights, class token and positions, zero for
biases, and a patch embedding scaled by its fan-in.
"""

from collections.abc import Collection
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax import settings
from ssl_jax.nn.backbones.pool import cell_means
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.positions import interpolated
from ssl_jax.nn.transformer import Block, block_outputs, by_fan_in, initializer

_LAST = 4  # blocks that DINO and its successors probe

SETTINGS = {"patch_size": settings.integer(4, "side of a ViT's patches", at_least=1)}


class ViT(nnx.Module):
    """Embeds patches as tokens, puts a class token before them, and applies transformer blocks.

    Methods that mask use its parts: ``patches``, ``with_class_token``, ``encode`` and ``norm``.

    Args:
      channels: of the images.
      image_size: side of the images for which positions are learned; for images of another size
        they are interpolated.
      patch_size: side of a patch.
      width: of a token.
      depth: number of blocks.
      heads: number of attention heads.
      pool: ``mean`` over the patches, ``cls`` for the class token, or ``grid``: means over the
        cells of a 4 x 4 grid of patches, concatenated.
      kernel_init: of all weights, in place of DINO's.
      remat: whether the backward pass recomputes the blocks, and so holds the activations of one
        at a time.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initializes.

    Raises:
      ValueError: ``image_size`` does not split into patches.
    """

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,
        patch_size: int,
        width: int,
        depth: int,
        heads: int,
        pool: str = "mean",
        kernel_init: Initializer | None = None,
        remat: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.patch_size = patch_size
        self.pool = pool
        self.remat = remat
        self.dtype = dtype
        side = self._count(image_size)
        self.embedding = Linear(
            patch_size**2 * channels,
            width,
            kernel_init=kernel_init or by_fan_in,
            dtype=dtype,
            rngs=rngs,
        )
        self.class_token = nnx.Param(initializer(rngs.params(), (1, width)))
        self.class_position = nnx.Param(initializer(rngs.params(), (1, width)))
        self.patch_positions = nnx.Param(initializer(rngs.params(), (side, side, width)))
        block = partial(Block, kernel_init=kernel_init or initializer, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List([block(width, heads) for _ in range(depth)])
        self.norm = layer_norm(width, dtype=dtype, rngs=rngs)
        self.features = {"mean": 1, "cls": 1, "grid": 16}[pool] * width

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        keep: Float[Array, "n r"] | None = None,
        *,
        train: bool,
        frozen: Collection[str] = (),
    ) -> dict[str, Float[Array, "n ..."]]:
        """Computes features of normalized images.

        Args:
          images: ``[n, h, w, c]``.
          keep: factors of the residual branches, two per block; see ``drop_path``.
          train: whether ``patches`` is left out, which training does not need; nothing is drawn
            and there are no statistics.
          frozen: has no effect.

        Returns:
          ``block1``, ``block2``, ...: each block's output, pooled, float32; ``features``: the last
          block's output after the final LayerNorm, pooled. Unless ``train``, also ``last4``: the
          last four blocks' outputs, each after the final LayerNorm and pooled, joined; and
          ``patches`` ``[n, t, d]``: the last block's output after the final LayerNorm, of each
          patch, row by row, without the class token.

        Raises:
          ValueError: a side does not split into patches.
        """
        del frozen
        rows, columns = (self._count(side) for side in images.shape[1:3])
        outputs = self.encode(self.with_class_token(self.patches(images)), keep)
        layers = {f"block{i}": x for i, x in enumerate(outputs, start=1)}
        layers["features"] = self.norm(outputs[-1])
        pooled = {name: self._pooled(x, rows, columns) for name, x in layers.items()}
        if train:
            return pooled
        last = [self._pooled(self.norm(x), rows, columns) for x in outputs[-_LAST:]]
        return pooled | {
            "last4": jnp.concatenate(last, axis=-1),
            "patches": layers["features"][:, 1:].astype(jnp.float32),
        }

    def attention_maps(
        self, images: Float[Array, "n h w c"], *, train: bool = False
    ) -> Float[Array, "n heads rows columns"]:
        """Returns how much the class token attends to each patch, per head of the last block.

        The weights are ``softmax(q k^T / sqrt(d))`` over all tokens. ``nn.attention`` does not
        return them, so they are computed again from the block's input.

        Args:
          images: ``[n, h, w, c]``, normalized.
          train: has no effect.

        Returns:
          ``[n, heads, rows, columns]`` float32. Together with the class token's weight on itself,
          which it leaves out, a map sums to 1.

        Raises:
          ValueError: a side does not split into patches.
        """
        del train
        rows, columns = (self._count(side) for side in images.shape[1:3])
        tokens = self.with_class_token(self.patches(images))
        before_last = [tokens, *self.encode(tokens)][-2]
        block = self.blocks[-1]
        query, key, _ = jnp.split(block.qkv(block.norm1(before_last)), 3, axis=-1)
        query, key = (x.reshape(*x.shape[:2], block.heads, -1) for x in (query[:, :1], key))
        logits = jnp.einsum("nqhd,nkhd->nhqk", query, key, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(logits / query.shape[-1] ** 0.5)
        return weights[:, :, 0, 1:].reshape(len(images), block.heads, rows, columns)

    def patches(self, images: Float[Array, "n h w c"]) -> Float[Array, "n t d"]:
        """Embeds the patches, row by row, and adds their positions.

        Raises:
          ValueError: a side does not split into patches.
        """
        n, h, w, c = images.shape
        rows, columns, size = self._count(h), self._count(w), self.patch_size
        x = images.reshape(n, rows, size, columns, size, c).swapaxes(2, 3)
        x = self.embedding(x.reshape(n, rows * columns, size * size * c))
        return (x + self.positions(rows, columns)).astype(self.dtype)

    def positions(self, rows: int, columns: int) -> Float[Array, "t d"]:
        """Returns the learned positions, interpolated to the given number of patches.

        A method that masks patches adds these to its mask tokens.
        """
        resized = interpolated(self.patch_positions[...], rows, columns)
        return resized.reshape(rows * columns, -1)

    def with_class_token(self, tokens: Float[Array, "n t d"]) -> Float[Array, "n t+1 d"]:
        """Puts the class token, with its own position, before all or some of the patches."""
        first = (self.class_token[...] + self.class_position[...]).astype(self.dtype)
        return jnp.concatenate([jnp.tile(first, (len(tokens), 1, 1)), tokens], axis=1)

    def encode(
        self, tokens: Float[Array, "n t d"], keep: Float[Array, "n r"] | None = None
    ) -> list[Float[Array, "n t d"]]:
        """Returns every block's output; ``norm`` of the last one is the encoding."""
        return block_outputs(self.blocks, tokens, keep, remat=self.remat)

    def _count(self, side: int) -> int:
        if side % self.patch_size:
            raise ValueError(f"side of {side} does not split into patches of {self.patch_size}")
        return side // self.patch_size

    def _pooled(
        self, tokens: Float[Array, "n t d"], rows: int, columns: int
    ) -> Float[Array, "n _"]:
        if self.pool == "cls":
            return tokens[:, 0].astype(jnp.float32)
        patches = tokens[:, 1:].reshape(len(tokens), rows, columns, -1)
        return cell_means(patches, 4 if self.pool == "grid" else 1)


vit_nano = partial(ViT, width=128, depth=4, heads=2)
vit_tiny = partial(ViT, width=192, depth=12, heads=3)
vit_small = partial(ViT, width=384, depth=12, heads=6)
vit_base = partial(ViT, width=768, depth=12, heads=12)
vit_large = partial(ViT, width=1024, depth=24, heads=16)
