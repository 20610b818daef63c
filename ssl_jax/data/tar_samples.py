"""Finds the samples of a tar file in WebDataset's layout, without reading its images.

Consecutive members with the same key are one sample. The key is the path up to the first dot of the
file's name, and the rest of the name is the member's ending, in upper or lower case.

- The image is the member whose ending is one of formats.py's, such as `jpg`; without one, the first
  whose ending has it last, such as `left.jpg`.
- The label is the text of the member `cls`: a number or a name. Without that member, it is the
  entry `label`, or else `cls`, of the member `json`: a whole number or a text.
- Hidden members (see tree.py) and folders are left out. Further images, links, devices, sparse
  files and names without an ending are counted.

Nothing is unpacked. Only headers and labels are read. If the file is cut or damaged somewhere, the
members before that are used.
"""

import io
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.data.formats import ENDINGS
from ssl_jax.data.splits import hashed
from ssl_jax.data.tree import NO_ENDING, hidden
from ssl_jax.errors import InputError

RECORD = np.dtype(
    [
        ("key", "<u8"),  # hash of the sample's key
        ("offset", "<u8"),  # of the image's first byte
        ("size", "<u4"),  # of the image, in bytes
        ("blocks", "<u2"),  # of headers before the image
        ("label", "<i4"),
    ]
)
BLOCK = tarfile.BLOCKSIZE
LARGEST_IMAGE = 2**28
FURTHER = "a further image of its sample"
_LARGEST_PART = {"cls": 2**10, "json": 2**20}
_LONGEST_LABEL = 2**10
_LARGEST_HEADER = 2**20
_AT_ONCE = 10_000  # records that are held as Python objects
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd


class Samples(NamedTuple):
    """The samples of a tar file.

    Attributes:
      records: RECORD [n], the samples with an image, in the file's order.
      labels: the texts that the records' `label` counts from 0 on; -1 stands for no label.
      without_image: how many samples have no image, by the endings that they have.
      unused: how many members of the file are not used, by what they are.
      cut_at: the byte at which the file is cut or damaged, or None.
    """

    records: np.ndarray
    labels: tuple[str, ...]
    without_image: Counter[str]
    unused: Counter[str]
    cut_at: int | None


def read_samples(path: Path) -> Samples:
    """Finds the samples of a tar file by the rules at the top of this file.

    Raises:
      InputError: the file cannot be read, or is not a plain tar file.
    """
    try:
        with _Headers(io.FileIO(path)) as file:
            end, grouped = 0, _Grouped(file.fileno())
            for member, after in _members(file, path):
                grouped.add(member)
                end = after
            is_whole = os.pread(file.fileno(), BLOCK, end) == bytes(BLOCK)
            return grouped.samples(None if is_whole else end)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); expected a plain tar file"
        ) from error


def member_name(path: Path, offset: int) -> str:
    """Returns the name of the member whose headers begin at a byte of a tar file."""
    with _Headers(io.FileIO(path)) as file:
        file.seek(offset)
        member = tarfile.TarFile(fileobj=file).next()
        assert member is not None
        return member.name


class _Headers(io.BufferedReader):
    """A tar file as tarfile reads its headers; a damaged one could ask for any amount at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def _members(file: _Headers, path: Path) -> Iterator[tuple[tarfile.TarInfo, int]]:
    """Yields the members up to the first that is cut or damaged, each with the byte after it.

    Raises:
      InputError: there is no first header.
    """
    try:
        tar = tarfile.TarFile(fileobj=file)
        member = tar.next()
    except OSError:
        raise
    except Exception as error:  # tarfile raises exceptions of several types on damaged headers
        is_compressed = os.pread(file.fileno(), 8, 0).startswith(_COMPRESSED)
        raise InputError(
            f"{path}: {'is compressed' if is_compressed else 'is not a tar file'}; "
            "expected a plain tar file, whose members can be read in any order"
        ) from error
    size, end = os.fstat(file.fileno()).st_size, 0
    while member is not None and end < tar.offset <= size + -size % BLOCK:
        if _is_file(member) and not 0 <= member.size <= size - member.offset_data:
            return
        end = tar.offset
        yield member, end
        try:
            file.seek(end)
            member = tarfile.TarInfo.fromtarfile(tar)  # unlike `next`, which keeps all members
        except OSError:
            raise
        except Exception:  # also at the end of the archive
            return


def _is_file(member: tarfile.TarInfo) -> bool:
    """Returns whether the member's content lies in the tar file as it is."""
    return member.isreg() and not member.issparse()


class _Grouped:
    """Groups members into samples."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._key: str | None = None
        self._parts: dict[str, tarfile.TarInfo] = {}
        self._endings: set[str] = set()
        self._images = 0
        self._rows: list[tuple[int, ...]] = []
        self._records: list[np.ndarray] = []
        self._labels: dict[str, int] = {}
        self._without_image: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()

    def add(self, member: tarfile.TarInfo) -> None:
        """Adds the next member of the file."""
        name = member.name.removeprefix("./")
        if member.isdir() or any(map(hidden, name.split("/"))):
            return
        if not _is_file(member):
            kind = "a link" if member.islnk() or member.issym() else "a device or a sparse file"
            self._unused[kind] += 1
            return
        folder, slash, base = name.rpartition("/")
        stem, _, ending = base.partition(".")
        if not ending:
            self._unused[NO_ENDING] += 1
            return
        if (key := folder + slash + stem) != self._key:
            self._finish()
            self._key = key
        inner, _, last = ending.lower().rpartition(".")
        self._endings.add(f".{last}")
        if f".{last}" in ENDINGS:
            self._images += 1
            self._parts.setdefault("inner image" if inner else "image", member)
        elif last in _LARGEST_PART and not inner:
            self._parts.setdefault(last, member)

    def samples(self, cut_at: int | None) -> Samples:
        """Returns what was found, once the last member is added."""
        self._finish()
        self._flush()
        records = np.concatenate([np.empty(0, RECORD), *self._records])
        labels = tuple(self._labels)
        return Samples(records, labels, self._without_image, self._unused, cut_at)

    def _finish(self) -> None:
        """Ends a sample."""
        if self._key is None:
            return
        image = self._parts.get("image") or self._parts.get("inner image")
        if image is None:
            self._without_image[" ".join(sorted(self._endings))] += 1
        elif image.size > LARGEST_IMAGE:
            self._unused[f"an image above {LARGEST_IMAGE // 2**20} MiB"] += 1
        else:
            label = self._label()
            number = -1 if label is None else self._labels.setdefault(label, len(self._labels))
            blocks = (image.offset_data - image.offset) // BLOCK
            self._rows.append((hashed(self._key), image.offset_data, image.size, blocks, number))
            if len(self._rows) == _AT_ONCE:
                self._flush()
        if self._images > 1:
            self._unused[FURTHER] += self._images - 1
        self._key, self._images = None, 0
        self._parts.clear()
        self._endings.clear()

    def _flush(self) -> None:
        self._records.append(np.array(self._rows, RECORD))
        self._rows.clear()

    def _label(self) -> str | None:
        """Returns the sample's label as text, or None."""
        if "cls" in self._parts:
            label = self._read("cls").decode("utf-8-sig", "backslashreplace")
        else:
            label = _label_in_json(self._read("json"))
        plain = " ".join(label.split()).encode(errors="backslashreplace").decode()
        return plain if 0 < len(plain) <= _LONGEST_LABEL else None

    def _read(self, part: str) -> bytes:
        """Returns the content of a part; nothing if it is missing or too large for a label."""
        member = self._parts.get(part)
        if member is None or member.size > _LARGEST_PART[part]:
            return b""
        return os.pread(self._descriptor, member.size, member.offset_data)


def _label_in_json(text: bytes) -> str:
    """Returns the label in a JSON object; nothing if there is none."""
    try:
        about: Any = json.loads(text)
        entries = [about.get(name) for name in ("label", "cls")]
        return next(str(entry) for entry in entries if type(entry) in (str, int))
    except (ValueError, RecursionError, AttributeError, StopIteration):
        return ""
