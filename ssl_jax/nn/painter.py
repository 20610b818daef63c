"""The network of a context encoder, which paints the center of an image."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ssl_jax.nn.generative import Decoder


class Painter(nnx.Module):
    """An encoder, and two decoders of the same shape that paint from its feature map.

    Args:
      encoder: a module of ``nn.backbones`` whose features are a 4 x 4 map.
      decoder: its gradient trains the encoder.
      l2_decoder: its gradient stops before the encoder.
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
          The encoder's layers, and two pictures ``[n, s, s, c]`` from -1 to 1: ``joint`` by
          ``decoder`` and ``l2`` by ``l2_decoder``.
        """
        layers = self.encoder(images, train=train)
        joint = self.decoder(layers["features"], train=train)
        l2 = self.l2_decoder(jax.lax.stop_gradient(layers["features"]), train=train)
        return layers | {"joint": jnp.tanh(joint), "l2": jnp.tanh(l2)}
