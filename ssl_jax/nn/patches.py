"""Images as patches, and a decoder from a code of some of them to the pixels of all."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Shaped

from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import layer_norm
from ssl_jax.nn.transformer import Block


def patches(images: Shaped[Array, "n h w c"], size: int) -> Shaped[Array, "n t p"]:
    """The pixels of each patch, row by row; ``p`` is ``size * size * c``."""
    n, h, w, c = images.shape
    x = images.reshape(n, h // size, size, w // size, size, c).swapaxes(2, 3)
    return x.reshape(n, -1, size * size * c)


def unpatched(
    x: Shaped[Array, "n t p"], shape: tuple[int, ...], size: int
) -> Shaped[Array, "n h w c"]:
    """The inverse of ``patches`` of images of that shape."""
    n, h, w, c = shape
    return x.reshape(n, h // size, w // size, size, size, c).swapaxes(2, 3).reshape(shape)


def sines(count: int, width: int) -> Float[np.ndarray, "t d"]:
    """Positions of a square of patches, row by row: sines and cosines of both coordinates.

    A quarter of the width each: ``sin(y f), cos(y f), sin(x f), cos(x f)``, with frequencies
    ``f_i = 10000^(-4 i / width)``.

    References:
      Vaswani et al., Attention Is All You Need, 2017, section 3.5, of each coordinate,
      https://arxiv.org/abs/1706.03762
    """
    side, quarter = round(count**0.5), width // 4
    frequencies = 10_000.0 ** -(np.arange(quarter) / quarter)
    y, x = (place.reshape(-1, 1) * frequencies for place in np.indices((side, side)))
    waves = [np.sin(y), np.cos(y), np.sin(x), np.cos(x)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def take(tokens: Float[Array, "n t d"], places: Int[Array, "n k"]) -> Float[Array, "n k d"]:
    """The tokens at these places, which differ in each row."""

    def row(tokens: Array, places: Array) -> Array:
        return tokens.at[places].get(unique_indices=True, mode="promise_in_bounds")

    return jax.vmap(row)(tokens, places)


def put(
    tokens: Float[Array, "n t d"], places: Int[Array, "n k"], values: Float[Array, "n k d"]
) -> Float[Array, "n t d"]:
    """The tokens with others at these places, which differ in each row."""

    def row(tokens: Array, places: Array, values: Array) -> Array:
        return tokens.at[places].set(values, unique_indices=True, mode="promise_in_bounds")

    return jax.vmap(row)(tokens, places, values)


class PatchDecoder(nnx.Module):
    """MAE's decoder: a transformer over the code and mask tokens, each at its place.

    He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, section 3.

    Args:
      code: width in.
      pixels: numbers out of each patch.
      width: of a token, a multiple of 4.
      depth: how many blocks.
      heads: of the attention.
      dtype: of the computation; parameters and LayerNorm's sums are float32.
      rngs: ``params`` initialises.
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
        self.embedding = Linear(code, width, dtype=dtype, rngs=rngs)
        self.mask_token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (width,)))
        self.blocks = nnx.List([Block(width, heads, dtype=dtype, rngs=rngs) for _ in range(depth)])
        self.norm = layer_norm(width, dtype=dtype, rngs=rngs)
        self.head = Linear(width, pixels, dtype=dtype, rngs=rngs)

    def __call__(
        self, code: Float[Array, "n m d"], visible: Int[Array, "n k"], count: int
    ) -> Float[Array, "n t p"]:
        """Every patch's pixels, float32.

        Args:
          code: of the class token and of the visible patches, ``[n, m, d]``, ``m`` is ``k + 1``.
          visible: the numbers of these patches, ``[n, k]``.
          count: of all patches, a square.
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
