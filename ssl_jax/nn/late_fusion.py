"""Networks that look at each tile of an image alone before they compare tiles."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ssl_jax.nn import heads
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import batch_norm


class LateFusion(nnx.Module):
    """A tower ``f`` that is shared by all tiles, and a head ``g`` that reads several of its codes.

    ``logits = g([f(x_a), f(x_b), ...])`` for tiles ``a``, ``b``, ... The tower is a backbone and a
    linear layer with BatchNorm and ReLU. Each tile is encoded once, however often it is read.

    Args:
      backbone: a module of ``nn.backbones``.
      code: length of a tile's code, the output of the tower.
      read: number of codes that the head reads.
      widths: widths of the head's layers; the last is the number of classes.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction, 2015,
      figure 3, https://arxiv.org/abs/1505.05192
    """

    def __init__(
        self,
        backbone: Any,
        code: int,
        read: int,
        widths: Sequence[int],
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.backbone = backbone
        self.linear = Linear(backbone.features, code, use_bias=False, dtype=dtype, rngs=rngs)
        self.norm = batch_norm(code, dtype=dtype, rngs=rngs)
        self.head = heads.MLP(read * code, widths, dtype=dtype, rngs=rngs)

    def __call__(
        self, tiles: Float[Array, "n t h w c"], read: Int[Array, "n q r"], *, train: bool
    ) -> Float[Array, "n q k"]:
        """Answers ``q`` questions about each example.

        Args:
          tiles: ``[n, t, h, w, c]``, normalized.
          read: ``[n, q, r]``: which tiles of the example each question is about, in the order in
            which the head reads them.
          train: whether BatchNorm uses the batch's statistics, over all tiles or all questions, and
            updates its running ones.

        Returns:
          Logits ``[n, q, k]``.
        """
        n, q, _ = read.shape
        features = self.backbone(tiles.reshape(-1, *tiles.shape[2:]), train=train)["features"]
        codes = nnx.relu(self.norm(self.linear(features), use_running_average=not train))
        codes = codes.reshape(n, -1, codes.shape[-1])
        chosen = jax.vmap(lambda codes, read: codes[read])(codes, read)
        return self.head(chosen.reshape(n * q, -1), train=train).reshape(n, q, -1)

    def layers(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns the backbone's layers of normalized whole images."""
        return self.backbone(images, train=train)
