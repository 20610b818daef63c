"""Images in the rows of tables that Hugging Face's `datasets` reads."""

import functools
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ssl_jax.data.files import Encoded, Unreadable
from ssl_jax.data.frame import Frame


class Part(NamedTuple):
    """Some rows of a split.

    Attributes:
      split: its name.
      rows: int [n].
      labels: int32 [n], or None.
    """

    split: str
    rows: np.ndarray
    labels: np.ndarray | None = None

    def at(self, chosen: np.ndarray) -> "Part":
        """Returns the rows at the given positions, or where a mask is True."""
        labels = None if self.labels is None else self.labels[chosen]
        return Part(self.split, self.rows[chosen], labels)


class Images:
    """The encoded images of all splits.

    Args:
      splits: a `datasets.Dataset` for each name.
      column: the column of images.
      folders: where image files may lie that a row names by a path; None: anywhere.
    """

    def __init__(self, splits: Mapping[str, Any], column: str, folders: tuple[str, ...] | None):
        self.splits = {name: split.with_format("arrow") for name, split in splits.items()}
        self.column = column
        self.folders = folders

    def file(self, split: str, row: int) -> str | IO[bytes]:
        """Returns an image file: the bytes in a row, or the path that the row has instead.

        Raises:
          OSError: no file is there, or it is outside of the folders.
        """
        stored = self.splits[split][row][self.column][0].as_py()
        image: dict[str, Any] = {"bytes": stored} if isinstance(stored, bytes) else stored
        if image["bytes"] is not None:
            return io.BytesIO(image["bytes"])
        inside, _, archive = image["path"].partition("::")  # zip://inside::archive
        path = os.path.abspath(archive or inside)
        if self.folders is not None and not any(
            path.startswith(os.path.join(folder, "")) for folder in self.folders
        ):
            raise PermissionError(f"{path}: is outside of {self.folders}")
        if not os.path.isfile(path):
            raise FileNotFoundError(f"{path}: is not a file")
        return io.BytesIO(_opened(path).read(inside.removeprefix("zip://"))) if archive else path


class Rows(Encoded):
    """The images of a part, decoded on access.

    Args:
      images: the images of all splits.
      part: which of them, and their labels.
      frame: see `Encoded`, like the last argument.
    """

    def __init__(self, images: Images, part: Part, frame: Frame, unreadable: Unreadable):
        super().__init__(part.labels, frame, unreadable)
        self.images = images
        self.part = part

    def __len__(self) -> int:
        return len(self.part.rows)

    def path(self, index: int) -> Path:
        """Returns the name of the split and the number of the row."""
        return Path(self.part.split, str(self.part.rows[index]))

    def file(self, index: int) -> str | IO[bytes]:
        """Returns the image file; see `Images.file`."""
        return self.images.file(self.part.split, int(self.part.rows[index]))


@functools.lru_cache(8)
def _opened(archive: str) -> zipfile.ZipFile:
    """Opens an archive, which several threads may read from."""
    return zipfile.ZipFile(archive)
