"""Backbones by the name that ``config.network.name`` gives them."""

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from ssl_jax.nn.backbones import resnet

BACKBONES = {
    "resnet_small": resnet.resnet_small,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
}


def make(network: ConfigDict, *, channels: int, rngs: nnx.Rngs) -> resnet.ResNet:
    """The backbone of ``network.name``, with its ``stem``, ``pool`` and ``dtype``.

    Args:
      network: the config's block of that name.
      channels: of the images.
      rngs: ``params`` initialises.

    Returns:
      A module ``(images [n, h, w, c], train) -> {"features": [n, d], ...}`` whose ``features``
      attribute is ``d``.
    """
    return BACKBONES[network.name](
        channels=channels,
        stem=network.stem,
        pool=network.pool,
        dtype=jnp.dtype(network.dtype),
        rngs=rngs,
    )
