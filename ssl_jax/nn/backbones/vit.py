"""Vision Transformers (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929).

As in DeiT, DINO and MAE: LayerNorm (epsilon 1e-6) before attention and before the MLP, a bias on
queries, keys and values, exact GELU, positions that are learned. Initialised as in DINO: weights,
class token and positions by a truncated normal of deviation .02, biases zero, and the patch
embedding scaled by its fan-in.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax import settings
from ssl_jax.nn.backbones.pool import cell_means
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.transformer import Block, block_outputs, initializer

SETTINGS = {"patch_size": settings.integer(4, "side of a ViT's patches", at_least=1)}
_by_fan_in = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class ViT(nnx.Module):
    """Patches become tokens, a class token stands before them, and blocks of attention follow.

    The parts are for methods that mask: ``patches``, ``with_class_token``, ``encode``, ``norm``.

    Args:
      channels: of the images.
      image_size: side of the images whose positions are learned; other sides interpolate them.
      patch_size: side of a patch.
      width: of a token.
      depth: how many blocks.
      heads: of the attention.
      pool: ``mean`` over the patches, ``cls`` for the class token, or ``grid``: means over the
        cells of a 4 x 4 grid of the patches, side by side.
      remat: the backward pass computes the blocks again, and holds the inside of one at a time.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initialises.

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
            patch_size**2 * channels, width, kernel_init=_by_fan_in, dtype=dtype, rngs=rngs
        )
        self.class_token = nnx.Param(initializer(rngs.params(), (1, width)))
        self.class_position = nnx.Param(initializer(rngs.params(), (1, width)))
        self.patch_positions = nnx.Param(initializer(rngs.params(), (side, side, width)))
        self.blocks = nnx.List([Block(width, heads, dtype=dtype, rngs=rngs) for _ in range(depth)])
        self.norm = layer_norm(width, dtype=dtype, rngs=rngs)
        self.features = {"mean": 1, "cls": 1, "grid": 16}[pool] * width

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """Features of normalised images.

        Args:
          images: ``[n, h, w, c]``.
          train: makes no difference; nothing is drawn and there are no statistics.

        Returns:
          ``block1``, ``block2``, ...: each block's output, pooled, float32; ``features``: the last
          of them after the final LayerNorm, pooled.

        Raises:
          ValueError: a side does not split into patches.
        """
        del train
        rows, columns = (self._count(side) for side in images.shape[1:3])
        outputs = self.encode(self.with_class_token(self.patches(images)))
        layers = {f"block{i}": x for i, x in enumerate(outputs, start=1)}
        layers["features"] = self.norm(outputs[-1])
        return {name: self._pooled(x, rows, columns) for name, x in layers.items()}

    def patches(self, images: Float[Array, "n h w c"]) -> Float[Array, "n t d"]:
        """The tokens of the patches, row by row, with their positions added.

        Raises:
          ValueError: a side does not split into patches.
        """
        n, h, w, c = images.shape
        rows, columns, size = self._count(h), self._count(w), self.patch_size
        x = images.reshape(n, rows, size, columns, size, c).swapaxes(2, 3)
        x = self.embedding(x.reshape(n, rows * columns, size * size * c))
        return (x + self.positions(rows, columns)).astype(self.dtype)

    def positions(self, rows: int, columns: int) -> Float[Array, "t d"]:
        """The learned positions, interpolated (bicubic) if the map of patches has another size.

        Where a patch is masked, a method adds these to its mask token.
        """
        learned = self.patch_positions[...]
        resized = jax.image.resize(learned, (rows, columns, learned.shape[-1]), "bicubic")
        return resized.reshape(rows * columns, -1)

    def with_class_token(self, tokens: Float[Array, "n t d"]) -> Float[Array, "n t+1 d"]:
        """The class token, with a position of its own, before all or some of ``patches``."""
        first = (self.class_token[...] + self.class_position[...]).astype(self.dtype)
        return jnp.concatenate([jnp.tile(first, (len(tokens), 1, 1)), tokens], axis=1)

    def encode(self, tokens: Float[Array, "n t d"]) -> list[Float[Array, "n t d"]]:
        """Every block's output; ``norm`` of the last is the encoding."""
        return block_outputs(self.blocks, tokens, remat=self.remat)

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
