"""Image files as a source: decoded on access, or all at once if they fit in memory."""

import abc
import logging
import os
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssl_jax.data import contents, formats, memory, pixels
from ssl_jax.data.dataset import Arrays, Example
from ssl_jax.data.frame import Frame
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError

_log = logging.getLogger(__name__)
_PATHS_SHOWN = 3


class Header(NamedTuple):
    """What is known of an image file before it is decoded.

    Attributes:
      shorter: the shorter side in pixels.
      depth: how its values are stored.
      digest: of its size and its beginning; see ``contents.digest_of``.
    """

    shorter: int
    depth: pixels.Depth
    digest: int


class Unreadable:
    """Collects the files that cannot be read, and raises an error once there are too many.

    Several threads may add files.

    Args:
      name: the name of the data, for the error message.
      limit: how many unreadable files are skipped before an error is raised.

    Attributes:
      log: whether to log each file, once; for files found after ``reasons`` was reported.
      reasons: what is wrong with each file found so far, by its printable path.
      left_out: how many files were left out because of their kind; see ``tree.Listing``.
      named: the first of each kind, by their printable paths.
    """

    def __init__(self, name: str, limit: int):
        self.name = name
        self.limit = limit
        self.log = False
        self.reasons: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()
        self.named: dict[str, str] = {}
        self._lock = threading.Lock()

    def __contains__(self, path: str | Path) -> bool:
        return printable(str(path)) in self.reasons

    def add(self, path: str | Path, reason: str) -> None:
        """Records a file and what is wrong with it.

        Raises:
          InputError: there are now more files than the limit allows.
        """
        shown = printable(str(path))
        with self._lock:
            if self.log and shown not in self.reasons:
                _log.warning("skipped %s: %s", shown, reason)
            self.reasons[shown] = reason
            if len(self.reasons) > self.limit:
                first = ", ".join(map(repr, sorted(self.reasons)[:_PATHS_SHOWN]))
                more = " and more" * (self.limit >= _PATHS_SHOWN)
                raise InputError(
                    f"data.max_unreadable: {self.limit} is exceeded in {self.name}; expected no "
                    f"more unreadable files, found {first}{more}"
                )


class Encoded(abc.ABC):
    """Image files, decoded on access, wherever they are stored.

    A file that cannot be decoded is replaced by the next one that can, the same one each time.

    Args:
      labels: int32 [n], or None.
      frame: the shape of an example.
      unreadable: where files that cannot be decoded are recorded.
    """

    def __init__(self, labels: np.ndarray | None, frame: Frame, unreadable: Unreadable):
        self.labels = labels
        self.frame = frame
        self.unreadable = unreadable

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def path(self, index: int) -> str | Path:
        """Returns what a file is called in messages."""

    @abc.abstractmethod
    def file(self, index: int) -> str | IO[bytes]:
        """Returns the path of a file, or the open file."""

    def __getitem__(self, index: int) -> Example:
        for offset in range(len(self)):
            example = self.read((index + offset) % len(self))
            if example is not None:
                return example
        raise InputError(
            f"data.name: {self.unreadable.name!r} has no image that can be decoded; "
            "expected at least one"
        )

    def read(self, index: int) -> Example | None:
        """Reads one example; if that fails, records the file as unreadable and returns None."""
        try:
            example = self.frame.decode(self.file(index))
        except InputError:
            raise
        except Exception as error:  # Pillow's decoders raise exceptions of almost any type
            path = self.path(index)
            self.unreadable.add(path, reason(error, path))
            return None
        return example if self.labels is None else {**example, "label": self.labels[index]}

    def header(self, index: int) -> Header | None:
        """Reads the header of a file; if that fails, records it and returns None."""
        try:
            return read_header(self.file(index))
        except InputError:
            raise
        except Exception as error:  # as in `read`
            path = self.path(index)
            self.unreadable.add(path, reason(error, path))
            return None

    def in_memory(self, title: str) -> Arrays | None:
        """Decodes all files that can be decoded; returns None if there are none."""
        return memory.read_all(self.read, len(self), title)


class Files(Encoded):
    """Image files on disk.

    Args:
      paths: the n files.
      labels: see `Encoded`, like the other arguments.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: np.ndarray | None,
        frame: Frame,
        unreadable: Unreadable,
    ):
        super().__init__(labels, frame, unreadable)
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> Path:
        """Returns the path of a file."""
        return self.paths[index]

    def file(self, index: int) -> str:
        """Returns the path of a file."""
        return str(self.paths[index])


def headers(paths: list[Path], unreadable: Unreadable) -> list[Header | None]:
    """Reads the headers of all files; an unreadable file is recorded and gives None."""

    def header(path: Path) -> Header | None:
        try:
            with path.open("rb") as file:
                return read_header(file)
        except Exception as error:  # see Encoded.read
            unreadable.add(path, reason(error, path))
            return None

    formats.prepare()
    return memory.each(header, paths, "checking images")


def read_header(file: str | IO[bytes]) -> Header:
    """Reads the header of an image file.

    Raises:
      Exception: it is damaged; Pillow raises exceptions of almost any type.
    """
    if isinstance(file, str):
        with open(file, "rb") as opened:
            return read_header(opened)
    digest = contents.digest_of(file)
    file.seek(0)
    with Image.open(file, formats=formats.FORMATS) as image:
        return Header(min(image.size), pixels.depth(image), digest)


def reason(error: Exception, path: str | Path) -> str:
    """Says in one line, without the path, why a file cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        empty = os.path.exists(path) and os.path.getsize(path) == 0
        return "is empty" if empty else "is not an image, or its header is damaged"
    if isinstance(error, OSError):
        return " ".join(str(error.strerror or error).split())
    return " ".join(f"{type(error).__name__}: {error}".split())
