"""Decoders from features to whole pictures, for any backbone."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.errors import InputError
from ssl_jax.nn import backbones
from ssl_jax.nn.generative import GRID, Decoder, Dense
from ssl_jax.nn.mirror import MLPDecoder

SETTING = settings.widths(
    (512, 256, 128, 64),
    "channels of the first 4 x 4 map and of each doubled one; an MLP has an MLP as decoder instead",
)


def check(config: ConfigDict) -> None:
    """Checks that the decoder reaches the size of the picture.

    Args:
      config: ``method.decoder``, declared by ``SETTING``; ``network.name``; ``data.image_size``.

    Raises:
      InputError: it does not.
    """
    widths, side = config.method.decoder, config.data.image_size
    made = GRID * 2 ** len(widths)
    if config.network.name not in backbones.MLPS and made < side:
        raise InputError(
            f"method.decoder: {widths} makes {made} pixels; expected enough widths to double "
            f"{GRID} to {side}"
        )


def make(
    config: ConfigDict, in_features: int, widths: Sequence[int], rngs: nnx.Rngs
) -> Decoder | MLPDecoder:
    """Builds the decoder: an MLP if the backbone is one, otherwise transposed convolutions.

    Args:
      config: as in ``check``; ``network.activation``; ``network.dtype``; ``data.channels``.
      in_features: of the features.
      widths: of the layers of an MLP.
      rngs: the ``params`` stream initializes the parameters.

    Returns:
      A module ``(features [n, d], train) -> [n, h, h, c]``, float32 of any range.
    """
    sizes, dtype = (config.data.channels, config.data.image_size), jnp.dtype(config.network.dtype)
    if config.network.name in backbones.MLPS:
        activation = config.network.activation
        return MLPDecoder(
            in_features, widths, *sizes, activation=activation, dtype=dtype, rngs=rngs
        )
    first = Dense(in_features, config.method.decoder[0], dtype=dtype, rngs=rngs)
    return Decoder(first, config.method.decoder, *sizes, dtype=dtype, rngs=rngs)
