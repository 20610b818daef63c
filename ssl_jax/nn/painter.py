"""The networks of a context encoder: one paints the middle of a picture, one judges paintings."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ssl_jax.nn import backbones
from ssl_jax.nn.generative import Decoder, Discriminator


class Painter(nnx.Module):
    """An encoder, and two decoders of one shape that paint half of an image's side from its map.

    Args:
      config: ``method.bottleneck`` and ``method.decoder`` (as in ``nn.generative``), what
        ``backbones.make`` reads, of which ``network.pool`` is ``grid``, and of ``data`` the
        ``image_size`` and ``channels``.
      rngs: ``params`` initialises.
    """

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make(config, rngs)
        self.decoder, self.l2_decoder = (
            Decoder(
                self.encoder.features,
                config.method.bottleneck,
                config.method.decoder,
                config.data.channels,
                config.data.image_size // 2,
                dtype=jnp.dtype(config.network.dtype),
                rngs=rngs,
            )
            for _ in range(2)
        )

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Of normalised images.

        Returns:
          The encoder's layers; ``joint``, painted by ``decoder``, and ``l2``, by ``l2_decoder``,
          from which no gradient reaches the encoder: ``[n, h / 2, w / 2, c]``, -1 to 1.
        """
        layers = self.encoder(images, train=train)
        joint = self.decoder(layers["features"], train=train)
        l2 = self.l2_decoder(jax.lax.stop_gradient(layers["features"]), train=train)
        return layers | {"joint": joint, "l2": l2}


def make_discriminator(config: ConfigDict, rngs: nnx.Rngs) -> Discriminator:
    """What judges the painted part; ``method.discriminator`` has its widths."""
    return Discriminator(
        config.data.channels,
        config.method.discriminator,
        config.data.image_size // 2,
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )
