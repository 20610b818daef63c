"""JAX's persistent compilation cache: a second start reuses what the first one compiled."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import jax

from ssl_jax import user_cache

_MIN_SECONDS = "jax_persistent_cache_min_compile_time_secs"
_MAX_BYTES = 2**30
_settings: Any = jax.config  # its attributes are created at run time


def cache(on: bool) -> None:
    """Switches the cache on or off; settings that the user has made through JAX stay.

    JAX keys its entries by the program, its own version and the processor's features. It cannot
    cache a program that calls oneDNN (``cpu.py`` says when one does): such a step is compiled at
    every start. If the folder cannot be written, one line says so and the run goes on without a
    cache. If a start finds more than 1 GiB, it deletes the least recently read entries. On a GPU, a
    folder beside them holds the kernels that XLA has chosen; it is small and stays.
    """
    if not on:
        _settings.update("jax_enable_compilation_cache", False)
        return
    chosen = _settings.jax_compilation_cache_dir is not None
    if chosen or not _settings.jax_enable_compilation_cache:
        return
    try:
        where = user_cache.folder(os.environ, "compiled")
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(where, os.W_OK | os.X_OK):
            raise PermissionError(f"{where}: cannot be written")
        _prune(where)
    except (OSError, RuntimeError) as error:
        print(f"no compilation cache: {error}", file=sys.stderr)
        return
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    _settings.update("jax_compilation_cache_dir", str(where))
    if _MIN_SECONDS.upper() not in os.environ:
        _settings.update(_MIN_SECONDS, 0.0)


def _prune(where: Path) -> None:
    found = [(path, path.stat()) for path in where.iterdir() if path.is_file()]
    room = _MAX_BYTES
    for path, status in sorted(found, key=lambda entry: entry[1].st_atime, reverse=True):
        room -= status.st_size
        if room < 0:
            path.unlink(missing_ok=True)
