"""Keeps decoded examples in memory if they fit."""

import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from ssl_jax.data.dataset import Arrays, Example, readers
from ssl_jax.data.frame import Frame

_CHUNK = 64
_SILENT_SECONDS = 2.0


def fits(count: int, frame: Frame, cache_mib: int) -> bool:
    """Returns whether `count` pictures of a frame fit in `cache_mib` MiB."""
    return count * frame.side**2 * frame.channels <= cache_mib * 2**20


def read_all(read: Callable[[int], Example | None], count: int, title: str) -> Arrays | None:
    """Reads examples 0 to `count` - 1 in several threads and keeps them, in order.

    Args:
      read: `index -> example`, or None to leave the example out.
      count: number of examples.
      title: text of the progress bar, which a terminal shows if reading takes over two seconds.

    Returns:
      The examples that were read, or None if there are none.
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
    """Applies a function to each item in several threads; shows slow progress as `chunks` does."""
    results: list = []
    for part in slices(items, title):
        results.extend(readers().map(function, part))
    return results


def slices(items: list, title: str) -> Iterator[list]:
    """Yields some items at a time; shows slow progress as `chunks` does."""
    for start in chunks(len(items), title):
        yield items[start : start + _CHUNK]


def chunks(count: int, title: str, size: int = _CHUNK) -> Iterator[int]:
    """Yields the start of each chunk of work; shows a progress bar after two seconds."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(title, total=count)
    began = time.monotonic()
    try:
        for start in range(0, count, size):
            yield start
            progress.update(task, completed=min(start + size, count))
            if time.monotonic() - began > _SILENT_SECONDS:
                progress.start()
    finally:
        progress.stop()
