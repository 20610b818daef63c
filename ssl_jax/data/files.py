"""Picture files as a source: decoded when they are read, or all at once when they fit in memory."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ssl_jax.data import memory, pixels
from ssl_jax.data.dataset import Arrays, Example
from ssl_jax.errors import InputError

_log = logging.getLogger(__name__)
_NAMED = 3


class Header(NamedTuple):
    """What a file says of its picture undecoded: the shorter side, and whether it is grey."""

    shorter: int
    grey: bool


class Unreadable:
    """The files found unreadable so far, from several threads; too many are an error.

    Args:
      name: the data's name, for the message.
      limit: how many are skipped before giving up.

    Attributes:
      log: whether to log each file once, when nobody will read `paths` any more.
    """

    def __init__(self, name: str, limit: int):
        self.name = name
        self.limit = limit
        self.log = False
        self.paths: set[str] = set()
        self._lock = threading.Lock()

    def add(self, path: Path) -> None:
        """Records a file.

        Raises:
          InputError: it is one more than the limit.
        """
        with self._lock:
            if self.log and str(path) not in self.paths:
                _log.warning("skipped %s, which cannot be read", path)
            self.paths.add(str(path))
            if len(self.paths) > self.limit:
                few = ", ".join(map(repr, sorted(self.paths)[:_NAMED]))
                raise InputError(
                    f"data.max_unreadable: {self.limit} is exceeded in {self.name}; expected no "
                    f"more unreadable files, found {few}{' and more' * (self.limit >= _NAMED)}"
                )


class Files:
    """Picture files, decoded when they are read.

    A file that cannot be decoded gives way to the next one that can, always to the same.

    Args:
      paths: the files.
      labels: int32 [n], or None.
      size: height and width of an example in pixels.
      channels: 1 or 3.
      unreadable: where files that cannot be decoded are recorded.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: np.ndarray | None,
        size: int,
        channels: int,
        unreadable: Unreadable,
    ):
        self.paths = paths
        self.labels = labels
        self.size = size
        self.channels = channels
        self.unreadable = unreadable

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        for offset in range(len(self.paths)):
            example = self.read((index + offset) % len(self.paths))
            if example is not None:
                return example
        raise InputError(f"data.name: {self.unreadable.name!r} has no image that can be decoded")

    def read(self, index: int) -> Example | None:
        """Reads one example, or records its file as unreadable and returns None."""
        path = self.paths[index]
        try:
            image = pixels.decode(str(path), self.size, self.channels)
        except Exception:  # Pillow's decoders raise nearly every type there is
            self.unreadable.add(path)
            return None
        if self.labels is None:
            return {"image": image}
        return {"image": image, "label": self.labels[index]}

    def in_memory(self, title: str) -> Arrays | None:
        """Decodes everything that can be decoded; None if nothing can."""
        return memory.read_all(self.read, len(self.paths), title)


def headers(paths: list[Path], unreadable: Unreadable) -> list[Header | None]:
    """Reads the headers of all files; None for one that is not readable, which is recorded."""

    def header(path: Path) -> Header | None:
        try:
            with Image.open(path, formats=pixels.FORMATS) as image:
                return Header(min(image.size), pixels.is_grey(image))
        except Exception:  # as above
            unreadable.add(path)
            return None

    pixels.hush()
    return memory.each(header, paths, "checking images")
