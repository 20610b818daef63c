"""Process settings that make JAX faster on a CPU.

The commands in ``experiments/`` apply them; importing the library does not. XLA allocates a step's
temporaries with malloc and frees them after the step. By default, blocks of that size return to the
system, and every step pays again for their pages.
"""

import ctypes
import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path

_FLAGS = (
    "--xla_cpu_prefer_vector_width=512",  # if the processor has them; XLA's default is 256
    "--xla_cpu_experimental_ynn_fusion_type=",  # no YNNPACK: its threads slow the others down
)
_MEASURED = ("0.10", "0.12")  # versions of JAX; XLA rejects flags that it does not know
_ONEDNN = ("--xla_cpu_use_onednn=true", "--xla_cpu_experimental_onednn_custom_call=true")
_BFLOAT16 = ("avx512_bf16", "amx_bf16")
_PROCESSOR = Path("/proc/cpuinfo")
_ACCELERATORS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin", "libtpu")
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # from glibc's malloc.h


def tune(*, bfloat16: bool = False) -> None:
    """Keeps freed memory, and chooses the libraries and the vector width that XLA uses.

    Call it before JAX's first computation. It does nothing if an accelerator's plugin is installed,
    unless ``JAX_PLATFORMS`` is ``cpu``.

    Args:
      bfloat16: whether the network computes in bfloat16. If so, and if the processor multiplies
        bfloat16, oneDNN is used with jax 0.12. The compiled step then cannot be cached for the next
        start.
    """
    chosen = os.environ.get("JAX_PLATFORMS", "")
    if chosen == "cpu" or not any(map(importlib.util.find_spec, _ACCELERATORS)):
        keep_memory()
        set_flags(bfloat16)


def keep_memory() -> None:
    """Makes glibc's malloc keep freed memory, unless the user has set one of malloc's options."""
    if platform.libc_ver()[0] == "glibc" and not any(n.startswith("MALLOC_") for n in os.environ):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def set_flags(bfloat16: bool) -> None:
    """Chooses XLA's libraries and vector width on an x86 CPU; flags in ``XLA_FLAGS`` win."""
    version = ".".join(metadata.version("jax").split(".")[:2])
    if version in _MEASURED and platform.machine() in ("x86_64", "AMD64"):
        onednn = bfloat16 and version == "0.12" and _multiplies_bfloat16()
        given = os.environ.get("XLA_FLAGS", "")
        wanted = _FLAGS + _ONEDNN if onednn else _FLAGS
        added = [flag for flag in wanted if flag.partition("=")[0] not in given]
        os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()


def _multiplies_bfloat16() -> bool:
    return _PROCESSOR.exists() and any(word in _PROCESSOR.read_text() for word in _BFLOAT16)
