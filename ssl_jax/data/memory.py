"""Keeping decoded examples in memory when they fit."""

import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from ssl_jax.data.dataset import Arrays, Example, readers

_CHUNK = 64
_PATIENCE_SECONDS = 2.0


def fits(count: int, size: int, channels: int, cache_mib: int) -> bool:
    """Whether `count` images, uint8 [size, size, channels], fit in `cache_mib` MiB."""
    return count * size * size * channels <= cache_mib * 2**20


def read_all(read: Callable[[int], Example | None], count: int, title: str) -> Arrays | None:
    """Reads examples 0 to `count` - 1 in several threads and keeps them, in order.

    Args:
      read: gives an example, or None for one to leave out.
      count: how many there are.
      title: what the progress bar says; it appears on a terminal when reading takes long.

    Returns:
      The examples that were read, or None if there was not one.
    """
    columns: dict[str, np.ndarray] = {}
    kept = 0
    for start in chunks(count, title):
        for example in readers().map(read, range(start, min(start + _CHUNK, count))):
            if example is None:
                continue
            for name, value in example.items():
                if name not in columns:
                    columns[name] = np.empty((count, *value.shape), value.dtype)
                columns[name][kept] = value
            kept += 1
    return Arrays({name: column[:kept] for name, column in columns.items()}) if kept else None


def each(function: Callable, items: list, title: str) -> list:
    """Applies a function to every item in several threads; shows progress when it takes long."""
    results: list = []
    for start in chunks(len(items), title):
        results.extend(readers().map(function, items[start : start + _CHUNK]))
    return results


def chunks(count: int, title: str) -> Iterator[int]:
    """Yields where each chunk of work starts, with a progress bar once two seconds have passed."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(title, total=count)
    began = time.monotonic()
    try:
        for start in range(0, count, _CHUNK):
            yield start
            progress.update(task, completed=min(start + _CHUNK, count))
            if time.monotonic() - began > _PATIENCE_SECONDS:
                progress.start()
    finally:
        progress.stop()
