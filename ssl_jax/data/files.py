"""Image files as a source: decoded on access, or all at once if they fit in memory."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ssl_jax.data import memory, pixels
from ssl_jax.data.dataset import Arrays, Example
from ssl_jax.data.frame import Frame
from ssl_jax.errors import InputError

_log = logging.getLogger(__name__)
_PATHS_SHOWN = 3


class Header(NamedTuple):
    """What a file's header says: the length of the shorter side, and whether the image is gray."""

    shorter: int
    grey: bool


class Unreadable:
    """Collects the files that cannot be read, and raises an error once there are too many.

    Several threads may add files.

    Args:
      name: the name of the data, for the error message.
      limit: how many unreadable files are skipped before an error is raised.

    Attributes:
      log: whether to log each file, once; for files found after `paths` was reported.
      paths: the files found so far.
      left_out: how many files were left out because of what they are; see ``tree.Listing``.
    """

    def __init__(self, name: str, limit: int):
        self.name = name
        self.limit = limit
        self.log = False
        self.paths: set[str] = set()
        self.left_out: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, path: Path) -> None:
        """Records a file.

        Raises:
          InputError: there are now more files than the limit allows.
        """
        with self._lock:
            if self.log and str(path) not in self.paths:
                _log.warning("skipped %s: it cannot be read", path)
            self.paths.add(str(path))
            if len(self.paths) > self.limit:
                shown = ", ".join(map(repr, sorted(self.paths)[:_PATHS_SHOWN]))
                more = " and more" * (self.limit >= _PATHS_SHOWN)
                raise InputError(
                    f"data.max_unreadable: {self.limit} is exceeded in {self.name}; expected no "
                    f"more unreadable files, found {shown}{more}"
                )


class Files:
    """Image files, decoded on access.

    A file that cannot be decoded is replaced by the next one that can, the same one each time.

    Args:
      paths: the n files.
      labels: int32 [n], or None.
      frame: the shape of an example.
      unreadable: where files that cannot be decoded are recorded.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: np.ndarray | None,
        frame: Frame,
        unreadable: Unreadable,
    ):
        self.paths = paths
        self.labels = labels
        self.frame = frame
        self.unreadable = unreadable

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        for offset in range(len(self.paths)):
            example = self.read((index + offset) % len(self.paths))
            if example is not None:
                return example
        raise InputError(
            f"data.name: {self.unreadable.name!r} has no image that can be decoded; "
            "expected at least one"
        )

    def read(self, index: int) -> Example | None:
        """Reads one example; if that fails, records the file as unreadable and returns None."""
        path = self.paths[index]
        try:
            example = self.frame.decode(str(path))
        except Exception:  # Pillow's decoders raise exceptions of almost any type
            self.unreadable.add(path)
            return None
        return example if self.labels is None else {**example, "label": self.labels[index]}

    def in_memory(self, title: str) -> Arrays | None:
        """Decodes all files that can be decoded; returns None if there are none."""
        return memory.read_all(self.read, len(self.paths), title)


def headers(paths: list[Path], unreadable: Unreadable) -> list[Header | None]:
    """Reads the headers of all files; an unreadable file is recorded and gives None."""

    def header(path: Path) -> Header | None:
        try:
            with Image.open(path, formats=pixels.FORMATS) as image:
                return Header(min(image.size), pixels.is_grey(image))
        except Exception:  # see Files.read
            unreadable.add(path)
            return None

    pixels.hush()
    return memory.each(header, paths, "checking images")
