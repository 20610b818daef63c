"""Settings of a process that make JAX faster on a CPU; ``experiments/`` makes them, imports do not.

XLA takes the temporaries of a step from malloc and gives them back after it. By default what is as
large goes back to the system, and every step pays for its pages anew.
"""

import ctypes
import importlib.util
import os
import platform
from importlib import metadata

_YNNPACK = ("--xla_cpu_experimental_ynn_fusion_type=",)  # none: its threads slow the others down
_ONEDNN = ("--xla_cpu_use_onednn=true", "--xla_cpu_experimental_onednn_custom_call=true")
_VECTORS = ("--xla_cpu_prefer_vector_width=512",)  # where the processor has them; XLA's own is 256
_FLAGS = {  # by version: what was measured
    (0, 10): _VECTORS + _YNNPACK,
    (0, 12): _VECTORS + _YNNPACK + _ONEDNN,
}
_ACCELERATORS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin", "libtpu")
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def tune() -> None:
    """Keep memory that was freed, and choose the libraries and vectors that XLA computes with.

    To be called before JAX's first computation. Does nothing where an accelerator's plugin is
    installed, unless ``JAX_PLATFORMS`` is ``cpu``.
    """
    chosen = os.environ.get("JAX_PLATFORMS", "")
    if chosen == "cpu" or not any(map(importlib.util.find_spec, _ACCELERATORS)):
        keep_memory()
        set_flags()


def keep_memory() -> None:
    """Have glibc's malloc keep what is freed; nothing where the user has set one of its options."""
    if platform.libc_ver()[0] == "glibc" and not any(n.startswith("MALLOC_") for n in os.environ):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def set_flags() -> None:
    """Choose XLA's libraries and vectors on an x86 CPU, unless ``XLA_FLAGS`` has a word on them."""
    given = os.environ.get("XLA_FLAGS", "")
    major, minor = metadata.version("jax").split(".")[:2]
    flags = _FLAGS.get((int(major), int(minor)), ())
    chosen = any(word in given for word in ("onednn", "ynn", "xnn", "vector_width"))
    if flags and platform.machine() in ("x86_64", "AMD64") and not chosen:
        os.environ["XLA_FLAGS"] = " ".join([given, *flags]).strip()
