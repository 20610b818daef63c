"""Flags that XLA reads once, when JAX starts, and that make a CPU's products faster."""

import importlib.util
import os
import platform
from importlib import metadata

_ONEDNN = ("--xla_cpu_use_onednn=true", "--xla_cpu_experimental_onednn_custom_call=true")
_FIRST = (0, 12)  # before it, oneDNN's products gain nothing
_ACCELERATORS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin", "libtpu")


def set_flags() -> None:
    """Let XLA take its products and convolutions on an x86 CPU from oneDNN.

    To be called before JAX's first computation, as the mains of ``experiments/`` do; importing the
    library changes nothing. Does nothing where an accelerator's plugin is installed (unless
    ``JAX_PLATFORMS`` is ``cpu``), on JAX before 0.12, and where ``XLA_FLAGS`` has a word on oneDNN.
    """
    given = os.environ.get("XLA_FLAGS", "")
    version = tuple(int(part) for part in metadata.version("jax").split(".")[:2])
    if version >= _FIRST and _on_x86_cpu() and "onednn" not in given:
        os.environ["XLA_FLAGS"] = " ".join([given, *_ONEDNN]).strip()


def _on_x86_cpu() -> bool:
    chosen = os.environ.get("JAX_PLATFORMS", "")
    accelerated = any(importlib.util.find_spec(name) for name in _ACCELERATORS)
    return platform.machine() in ("x86_64", "AMD64") and (chosen == "cpu" or not accelerated)
