"""Backbones, by the name in ``config.network.name``."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.errors import InputError
from ssl_jax.nn.backbones import dcgan, gpt, mlp, resnet, vit

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
MLPS = {"mlp": mlp.MLP}
GPTS = {"gpt_nano": gpt.gpt_nano, "gpt2_small": gpt.gpt2_small}
BACKBONES = RESNETS | CONVNETS | VITS | MLPS
READS = {"image": (*BACKBONES,), "video": (*BACKBONES,), "text": (*GPTS,)}  # by modality

SETTINGS = {
    "name": settings.choice("resnet_small", "network architecture", (*BACKBONES, *GPTS)),
    **resnet.SETTINGS,
    **vit.SETTINGS,
    **mlp.SETTINGS,
    "pool": settings.choice(
        "grid",
        "pooling of a map: mean, means over a 4 x 4 grid, or a ViT's class token",
        ("mean", "grid", "cls"),
    ),
    "dtype": settings.choice("float32", "number type of the computation", ("float32", "bfloat16")),
}


def check(config: ConfigDict) -> None:
    """Checks that the network fits the data.

    Args:
      config: its ``network`` settings are valid one by one, and its ``data`` is resolved.

    Raises:
      InputError: the network does not read this modality, it has no class token to pool, or the
        image does not split into patches.
    """
    network, suited = config.network, READS[config.data.modality]
    if network.name not in suited:
        raise InputError(
            f"network.name: {network.name!r} does not read {config.data.modality}; "
            f"expected one of {', '.join(suited)}"
        )
    if network.pool == "cls" and network.name in RESNETS | CONVNETS | MLPS:
        raise InputError(
            f"network.pool: 'cls', but {network.name} has no class token; expected mean or grid"
        )
    side = config.data.image_size
    if network.name in VITS and side % network.patch_size:
        divisors = ", ".join(str(d) for d in range(1, side + 1) if side % d == 0)
        raise InputError(
            f"network.patch_size: {network.patch_size} does not divide data.image_size {side}; "
            f"expected one of {divisors}"
        )


def make(
    config: ConfigDict, rngs: nnx.Rngs
) -> resnet.ResNet | dcgan.DCGANEncoder | vit.ViT | mlp.MLP:
    """Builds the backbone of ``network.name`` for images.

    Args:
      config: ``network``; only ResNets read its ``stem`` and ``zero_residual``, only ViTs its
        ``patch_size``, and only MLPs its ``widths`` and ``activation``, but not its ``pool``.
        ``train.remat``; ``data.channels``; for ViTs and MLPs ``data.image_size``.
      rngs: ``params`` initializes.

    Returns:
      A module ``(images [n, h, w, c], train) -> {"features": [n, d], ...}`` whose ``features``
      attribute is ``d``.
    """
    if config.network.name in VITS:
        return make_vit(config, rngs)
    if config.network.name in MLPS:
        return MLPS[config.network.name](
            channels=config.data.channels,
            image_size=config.data.image_size,
            widths=config.network.widths,
            activation=config.network.activation,
            dtype=jnp.dtype(config.network.dtype),
            rngs=rngs,
        )
    if config.network.name in CONVNETS:
        return CONVNETS[config.network.name](**_shared(config), rngs=rngs)
    return RESNETS[config.network.name](
        stem=config.network.stem,
        zero_residual=config.network.zero_residual,
        **_shared(config),
        rngs=rngs,
    )


def make_vit(config: ConfigDict, rngs: nnx.Rngs, kernel_init: Initializer | None = None) -> vit.ViT:
    """Builds the ViT of ``network.name``, for methods that use parts of it; see ``make``.

    Args:
      config: see ``make``.
      rngs: ``params`` initializes.
      kernel_init: of all weights, in place of DINO's.

    Raises:
      InputError: ``network.name`` is not a ViT.
    """
    if config.network.name not in VITS:
        raise InputError(
            f"network.name: {config.network.name!r} is not a ViT; expected one of {', '.join(VITS)}"
        )
    return VITS[config.network.name](
        image_size=config.data.image_size,
        patch_size=config.network.patch_size,
        kernel_init=kernel_init,
        **_shared(config),
        rngs=rngs,
    )


def make_gpt(config: ConfigDict, rngs: nnx.Rngs) -> gpt.GPT:
    """Builds the network of ``network.name`` for text.

    Args:
      config: ``network.name`` and ``network.dtype``; ``train.remat``; ``data.vocabulary``;
        ``data.tokens``, the length of a window.
      rngs: ``params`` initializes.

    Returns:
      A module ``(tokens [n, t], train) -> {"features": [n, d], "logits": [n, t, k], ...}`` whose
      ``features`` attribute is ``d``.

    Raises:
      InputError: ``network.name`` is not a GPT.
    """
    if config.network.name not in GPTS:
        raise InputError(
            f"network.name: {config.network.name!r} is not a GPT; expected one of {', '.join(GPTS)}"
        )
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
