"""Self-supervised learning in JAX.

``ssl_jax.losses`` and ``ssl_jax.augment`` hold pure functions and import little. ``ssl_jax.fit``
trains a method, ``ssl_jax.load`` loads a run. Each part is imported on first use.
"""

from importlib import import_module
from typing import Any

_MODULES = (
    "augment",
    "config",
    "data",
    "errors",
    "evaluation",
    "export",
    "losses",
    "methods",
    "nn",
    "report",
    "runs",
    "train",
)


def __getattr__(name: str) -> Any:
    if name in ("fit", "load"):
        return getattr(import_module("ssl_jax.runs"), name)
    if name in _MODULES:
        return import_module(f"ssl_jax.{name}")
    raise AttributeError(f"module 'ssl_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_MODULES, "fit", "load"]
