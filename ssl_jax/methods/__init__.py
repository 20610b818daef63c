"""The index of methods, by their name in ``config.method.name``: one line each."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from ssl_jax.errors import InputError
from ssl_jax.methods.base import Method as Method
from ssl_jax.methods.base import no_update as no_update
from ssl_jax.methods.common.combine import combine as combine
from ssl_jax.settings import Setting

MODULES = {
    "simclr": "contrastive.simclr",
    "moco": "contrastive.moco",
    "byol": "distillation.byol",
    "simsiam": "distillation.simsiam",
    "dino": "distillation.dino",
    "mae": "masked.mae",
    "rotation": "pretext.rotation",
    "relative_position": "pretext.relative_position",
    "jigsaw": "pretext.jigsaw",
    "context_encoder": "pretext.context_encoder",
    "colorization": "pretext.colorization",
    "corruption": "pretext.corruption",
    "combined": "pretext.combined",
    "autoencoder": "reconstruction.autoencoder",
    "denoising_autoencoder": "reconstruction.denoising_autoencoder",
    "super_resolution": "reconstruction.super_resolution",
    "next_word": "text.next_word",
    "frame_order": "video.frame_order",
    "finetune": "supervised.finetune",
}


def module(name: str) -> ModuleType:
    """Returns the module of a method, which has ``make`` and ``SETTINGS``.

    It may have ``further_settings(block)`` too: settings that depend on others.
    """
    return import_module(f"{__name__}.{MODULES[name]}")


def _make(name: str, config: ConfigDict) -> Method:
    return module(name).make(config)


METHODS: Mapping[str, Callable[[ConfigDict], Method]] = {
    name: partial(_make, name) for name in MODULES
}


def settings_of(name: str, block: Mapping[str, Any] = {}) -> dict[str, Setting]:
    """Returns the settings that a method declares in ``config.method``, without ``name``.

    Args:
      name: of the method.
      block: ``config.method``; some methods have further settings that depend on others.
    """
    found = module(name)
    further = getattr(found, "further_settings", None)
    return found.SETTINGS | (further(block) if further else {})


def make(config: ConfigDict) -> Method:
    """Builds the method that ``config.method.name`` names.

    Raises:
      InputError: there is no such method.
    """
    name = config.get("method", {}).get("name")
    if name not in METHODS:
        raise InputError(f"method.name: {name!r}; expected one of {', '.join(METHODS)}")
    return METHODS[name](config)
