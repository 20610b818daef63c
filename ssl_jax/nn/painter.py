"""The network of a context encoder that paints the middle of an image."""

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from ssl_jax.nn.generative import Decoder


class Painter(nnx.Module):
    """An encoder, and two decoders of one shape that paint from its map.

    Args:
      encoder: a module of ``nn.backbones`` whose features are a 4 x 4 map.
      decoder: trains the encoder.
      l2_decoder: does not; no gradient reaches the encoder from it.
    """

    def __init__(self, encoder: Any, decoder: Decoder, l2_decoder: Decoder):
        self.encoder = encoder
        self.decoder = decoder
        self.l2_decoder = l2_decoder

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Encodes and paints normalized images.

        Returns:
          The encoder's layers; ``joint``, painted by ``decoder``, and ``l2``, by ``l2_decoder``:
          ``[n, s, s, c]`` from -1 to 1.
        """
        layers = self.encoder(images, train=train)
        joint = self.decoder(layers["features"], train=train)
        l2 = self.l2_decoder(jax.lax.stop_gradient(layers["features"]), train=train)
        return layers | {"joint": joint, "l2": l2}
