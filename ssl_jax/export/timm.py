"""An encoder's weights under the names and in the layouts of timm, PyTorch's image models.

timm: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models.

timm's ViTs equal ours; only the patch embedding is a convolution there and a linear layer here. Its
ResNets equal ours with the stem ``imagenet``. The other stems replace two modules of timm's model:
max pooling is left out, and the first convolution is ``small``'s 3x3 or, for ``patch``, a 5x5 of
stride 2 and padding 2 whose first row and column are zero. That equals ``patch``'s 4x4, which pads
one zero before and two after. timm has no ResNet of three stages, such as resnet_small, no encoder
of DCGAN's kind, and no MLP on pixels.
"""

import re
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.export.weights import Arrays, by_name
from ssl_jax.nn import backbones, from_module

_VITS = {  # timm's model of the same width, whose other sizes are given as arguments
    "vit_nano": "vit_tiny_patch16_224",
    "vit_tiny": "vit_tiny_patch16_224",
    "vit_small": "vit_small_patch16_224",
    "vit_base": "vit_base_patch16_224",
    "vit_large": "vit_large_patch16_224",
}
_RESNETS = ("resnet18", "resnet34", "resnet50")
_VIT_NAMES = {
    "norm1": "norm1",
    "qkv": "attn.qkv",
    "out": "attn.proj",
    "norm2": "norm2",
    "up": "mlp.fc1",
    "down": "mlp.fc2",
}
_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


class Model(NamedTuple):
    """A model of timm that computes what an encoder computes.

    Attributes:
      model: name for ``timm.create_model``.
      kwargs: further arguments of ``timm.create_model``.
      replace: modules to replace, by name: a class of ``torch.nn`` and its arguments.
      arrays: for ``load_state_dict``.
    """

    model: str
    kwargs: dict[str, Any]
    replace: dict[str, tuple[str, dict[str, Any]]]
    arrays: Arrays


def obstacle(arrays: Arrays, config: ConfigDict) -> str:
    """Says why timm has no model for an encoder; empty if it has one.

    Args:
      arrays: from ``weights.encoder_arrays``.
      config: of the run; ``network`` and ``data`` are read.
    """
    name = config.network.name
    if name not in (*_VITS, *_RESNETS):
        return f"timm has no {name}"
    network = from_module(lambda rngs: backbones.make(config, rngs))
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    expected = by_name(params) | by_name(stats)
    if {n: x.shape for n, x in arrays.items()} != {n: x.shape for n, x in expected.items()}:
        return f"the encoder is not the {name} that the config names"
    return ""


def model_of(arrays: Arrays, config: ConfigDict) -> Model:
    """Finds the model of timm that an encoder equals, and names its arrays.

    The model pools the last map by its mean if ``network.pool`` is ``grid``.

    Args:
      arrays: from ``weights.encoder_arrays``; there is no ``obstacle``.
      config: of the run; ``network`` and ``data`` are read.
    """
    name, pool, stem = config.network.name, config.network.pool, config.network.stem
    kwargs: dict[str, Any] = {"num_classes": 0, "in_chans": config.data.channels}
    kwargs["global_pool"] = "token" if pool == "cls" else "avg"
    if name in _RESNETS:
        renamed = resnet_arrays(arrays, stem)
        return Model(name, kwargs, replaced(stem, renamed["conv1.weight"]), renamed)
    sizes, patch_size = backbones.VITS[name].keywords, config.network.patch_size
    kwargs |= {
        "img_size": config.data.image_size,
        "patch_size": patch_size,
        "embed_dim": sizes["width"],
        "depth": sizes["depth"],
        "num_heads": sizes["heads"],
        "fc_norm": False,  # by default timm pools the mean before the last LayerNorm
    }
    return Model(_VITS[name], kwargs, {}, vit_arrays(arrays, patch_size))


def vit_arrays(arrays: Arrays, patch_size: int) -> Arrays:
    """Names a ViT's arrays as timm does.

    Args:
      arrays: of ``nn.backbones.vit.ViT``.
      patch_size: side of a patch.
    """
    width = arrays["class_token"].shape[-1]
    kernel = arrays["embedding.kernel"].reshape(patch_size, patch_size, -1, width)
    positions = arrays["patch_positions"].reshape(-1, width)
    renamed = {
        "cls_token": arrays["class_token"][None],
        "pos_embed": np.concatenate([arrays["class_position"], positions])[None],
        "patch_embed.proj.weight": kernel.transpose(3, 2, 0, 1),
        "patch_embed.proj.bias": arrays["embedding.bias"],
    }
    for name, x in arrays.items():
        if found := re.fullmatch(r"(blocks\.\d+)\.(\w+)\.(\w+)", name):
            block, layer, leaf = found.groups()
            renamed[f"{block}.{_VIT_NAMES[layer]}.{_LEAVES[leaf]}"] = x.T
        elif found := re.fullmatch(r"norm\.(\w+)", name):
            renamed[f"norm.{_LEAVES[found[1]]}"] = x
    return renamed


def resnet_arrays(arrays: Arrays, stem: str) -> Arrays:
    """Names a ResNet's arrays as timm does.

    Args:
      arrays: of ``nn.backbones.resnet.ResNet``.
      stem: of the network.
    """
    renamed = {}
    for name, x in arrays.items():
        *path, leaf = name.split(".")
        if stem == "patch" and path == ["conv"]:
            x = np.pad(x, ((1, 0), (1, 0), (0, 0), (0, 0)))
        module = _resnet_module(path)
        renamed[f"{module}.{_LEAVES[leaf]}"] = x.transpose(3, 2, 0, 1) if x.ndim == 4 else x
        if leaf == "mean":
            renamed[f"{module}.num_batches_tracked"] = np.zeros((), np.int64)
    return renamed


def _resnet_module(path: list[str]) -> str:
    """Returns the name of a module: ``stages.0.1.norm2`` is timm's ``layer1.1.bn2``."""
    match path:
        case ["conv"]:
            return "conv1"
        case ["norm"]:
            return "bn1"
        case ["stages", stage, block, "shortcut", layer]:
            return f"layer{int(stage) + 1}.{block}.downsample.{'01'[layer == 'norm']}"
        case ["stages", stage, block, layer]:
            return f"layer{int(stage) + 1}.{block}.{layer.replace('norm', 'bn')}"
    raise ValueError(f"{'.'.join(path)} is not a module of a ResNet")


def replaced(stem: str, weight: np.ndarray) -> dict[str, tuple[str, dict[str, Any]]]:
    """Returns the modules that a stem replaces in timm's ResNets.

    Args:
      stem: of the network.
      weight: timm's ``conv1.weight``, ``[o, i, k, k]``.
    """
    if stem == "imagenet":
        return {}
    features, channels, size, _ = weight.shape
    conv = {
        "in_channels": channels,
        "out_channels": features,
        "kernel_size": size,
        "stride": backbones.resnet.STEMS[stem][1],
        "padding": size // 2,
        "bias": False,
    }
    return {"conv1": ("Conv2d", conv), "maxpool": ("Identity", {})}
