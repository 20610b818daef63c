"""Backbones by the name that ``config.network.name`` gives them."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from ssl_jax.nn.backbones import dcgan, gpt, resnet, vit

RESNETS = {
    "resnet_small": resnet.resnet_small,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
}
CONVNETS = {"context_encoder": dcgan.context_encoder}
VITS = {
    "vit_nano": vit.vit_nano,
    "vit_tiny": vit.vit_tiny,
    "vit_small": vit.vit_small,
    "vit_base": vit.vit_base,
    "vit_large": vit.vit_large,
}
GPTS = {"gpt_nano": gpt.gpt_nano, "gpt2_small": gpt.gpt2_small}
BACKBONES = RESNETS | CONVNETS | VITS


def make(config: ConfigDict, rngs: nnx.Rngs) -> resnet.ResNet | dcgan.DCGANEncoder | vit.ViT:
    """The backbone of ``network.name``.

    Args:
      config: ``network``, of whose settings ResNets alone read ``stem`` and ViTs ``patch_size``;
        ``train.remat``; and of ``data`` the ``channels``, for ViTs the ``image_size``.
      rngs: ``params`` initialises.

    Returns:
      A module ``(images [n, h, w, c], train) -> {"features": [n, d], ...}`` whose ``features``
      attribute is ``d``.
    """
    if config.network.name in VITS:
        return make_vit(config, rngs)
    if config.network.name in CONVNETS:
        return CONVNETS[config.network.name](**_shared(config), rngs=rngs)
    return RESNETS[config.network.name](stem=config.network.stem, **_shared(config), rngs=rngs)


def make_vit(config: ConfigDict, rngs: nnx.Rngs) -> vit.ViT:
    """The ViT of ``network.name``, for methods that use its parts; see ``make``."""
    return VITS[config.network.name](
        image_size=config.data.image_size,
        patch_size=config.network.patch_size,
        **_shared(config),
        rngs=rngs,
    )


def make_gpt(config: ConfigDict, rngs: nnx.Rngs) -> gpt.GPT:
    """The network of ``network.name`` that reads text.

    Args:
      config: ``network.name`` and ``network.dtype``; ``train.remat``; and of ``data`` the
        ``vocabulary`` and the ``tokens`` of a window.
      rngs: ``params`` initialises.

    Returns:
      A module ``(tokens [n, t], train) -> {"features": [n, d], "logits": [n, t, k], ...}`` whose
      ``features`` attribute is ``d``.
    """
    return GPTS[config.network.name](
        vocabulary=config.data.vocabulary,
        tokens=config.data.tokens,
        remat=config.train.remat,
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )


def _shared(config: ConfigDict) -> dict[str, Any]:
    return {
        "channels": config.data.channels,
        "pool": config.network.pool,
        "remat": config.train.remat,
        "dtype": jnp.dtype(config.network.dtype),
    }
