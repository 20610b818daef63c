"""Images as patches, and MAE's decoder, which predicts all patches from the code of some."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Shaped

from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.transformer import Block

xavier = jax.nn.initializers.glorot_uniform()


def patches(images: Shaped[Array, "n h w c"], size: int) -> Shaped[Array, "n t p"]:
    """Cuts images into patches, row by row.

    Args:
      images: ``[n, h, w, c]``.
      size: side of a patch, which divides ``h`` and ``w``.

    Returns:
      The pixels of each patch, ``[n, t, p]``; ``p`` is ``size * size * c``.
    """
    n, h, w, c = images.shape
    x = images.reshape(n, h // size, size, w // size, size, c).swapaxes(2, 3)
    return x.reshape(n, -1, size * size * c)


def unpatched(
    x: Shaped[Array, "n t p"], shape: tuple[int, ...], size: int
) -> Shaped[Array, "n h w c"]:
    """Inverts ``patches``.

    Args:
      x: ``[n, t, p]``.
      shape: of the images, ``(n, h, w, c)``.
      size: side of a patch.
    """
    n, h, w, c = shape
    return x.reshape(n, h // size, w // size, size, size, c).swapaxes(2, 3).reshape(shape)


def sines(count: int, width: int) -> Float[np.ndarray, "t d"]:
    """Returns fixed position embeddings for a square of patches, row by row.

    They are sines and cosines of both coordinates: ``sin(y f)``, ``cos(y f)``, ``sin(x f)`` and
    ``cos(x f)`` take a quarter of the width each, with frequencies ``f_i = 10000^(-4 i / width)``.

    Args:
      count: number of patches, a square.
      width: of an embedding, a multiple of 4.

    Returns:
      ``[count, width]`` float32.

    References:
      Vaswani et al., Attention Is All You Need, 2017, section 3.5, for each coordinate,
      https://arxiv.org/abs/1706.03762
    """
    side, quarter = round(count**0.5), width // 4
    frequencies = 10_000.0 ** -(np.arange(quarter) / quarter)
    y, x = (place.reshape(-1, 1) * frequencies for place in np.indices((side, side)))
    waves = [np.sin(y), np.cos(y), np.sin(x), np.cos(x)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def take(tokens: Float[Array, "n t d"], places: Int[Array, "n k"]) -> Float[Array, "n k d"]:
    """Returns the tokens at the given places; each row has its own, without repetition."""

    def row(tokens: Array, places: Array) -> Array:
        return tokens.at[places].get(unique_indices=True, mode="promise_in_bounds")

    return jax.vmap(row)(tokens, places)


def put(
    tokens: Float[Array, "n t d"], places: Int[Array, "n k"], values: Float[Array, "n k d"]
) -> Float[Array, "n t d"]:
    """Replaces the tokens at the given places; each row has its own, without repetition."""

    def row(tokens: Array, places: Array, values: Array) -> Array:
        return tokens.at[places].set(values, unique_indices=True, mode="promise_in_bounds")

    return jax.vmap(row)(tokens, places, values)


class PatchDecoder(nnx.Module):
    """MAE's decoder: a transformer over the code and mask tokens, each at the place of its patch.

    He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, section 3. Weights start from
    Xavier's uniform distribution.

    Args:
      code: width of the code.
      pixels: numbers predicted per patch.
      width: of a token, a multiple of 4.
      depth: number of blocks.
      heads: number of attention heads.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        code: int,
        pixels: int,
        *,
        width: int,
        depth: int,
        heads: int,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        layer = partial(Linear, kernel_init=xavier, dtype=dtype, rngs=rngs)
        block = partial(Block, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.embedding = layer(code, width)
        self.mask_token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (width,)))
        self.blocks = nnx.List([block(width, heads) for _ in range(depth)])
        self.norm = layer_norm(width, dtype=dtype, rngs=rngs)
        self.head = layer(width, pixels)

    def __call__(
        self, code: Float[Array, "n m d"], visible: Int[Array, "n k"], count: int
    ) -> Float[Array, "n t p"]:
        """Predicts the pixels of every patch.

        Args:
          code: of the class token and the visible patches, ``[n, m, d]`` with ``m = k + 1``.
          visible: indices of the visible patches, ``[n, k]``.
          count: number of all patches, a square.

        Returns:
          ``[n, count, pixels]`` float32.
        """
        x = self.embedding(code)
        n, _, width = x.shape
        masks = jnp.broadcast_to(self.mask_token[...].astype(x.dtype), (n, count, width))
        tokens = put(masks, visible, x[:, 1:])
        tokens = tokens + sines(count, width).astype(x.dtype)
        x = jnp.concatenate([x[:, :1], tokens], axis=1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))[:, 1:].astype(jnp.float32)
