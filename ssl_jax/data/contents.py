"""Tells whether data are those that a run began with: a digest of each file or array.

Of a file, the size and the first 64 KiB count; of an array, all bytes. Where the data lie does not
matter, only names below their folder do.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from jaxtyping import UInt64

from ssl_jax.data.tree import printable

_BEGINNING = 2**16


class Contents(NamedTuple):
    """The files or arrays of some data.

    Attributes:
      names: of the files, below the folder of the data, or of the arrays; each occurs once.
      digests: uint64 [n], in the same order.
      unit: what an entry is called in messages, in the plural.
    """

    names: Sequence[str]
    digests: UInt64[np.ndarray, " n"]
    unit: str

    def encoded(self) -> bytes:
        """Returns an .npz file of the digests and of digests of the names, sorted by the latter."""
        names = _name_digests(self)
        order = np.argsort(names)
        file = io.BytesIO()
        np.savez(file, names=names[order], digests=self.digests[order])
        return file.getvalue()


def digest_of(file: IO[bytes]) -> int:
    """Returns a digest of the size of an open file and of its first 64 KiB."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return _digest(size.to_bytes(8, "little") + file.read(_BEGINNING))


def digest_of_bytes(content: bytes) -> int:
    """Returns a digest of some bytes."""
    return _digest(content)


def of_files(root: Path, paths: Sequence[str], unit: str) -> Contents:
    """Returns the contents of files, given by their paths below a folder.

    Files that cannot be read are left out.
    """
    digests = {}
    for path in paths:
        with suppress(OSError), open(root / path, "rb") as file:
            digests[path] = digest_of(file)
    return Contents(tuple(digests), np.array(list(digests.values()), np.uint64), unit)


def of_arrays(arrays: Mapping[str, np.ndarray]) -> Contents:
    """Returns the contents of arrays in memory, by name."""

    def parts(array: np.ndarray) -> Iterator[Any]:
        yield f"{array.dtype} {array.shape}".encode()
        yield np.ascontiguousarray(array).data

    digests = [_digest(*parts(array)) for array in arrays.values()]
    return Contents(tuple(arrays), np.array(digests, np.uint64), "arrays")


def changes(before: bytes, now: Contents) -> str:
    """Describes how data differ from what they were.

    Args:
      before: from ``Contents.encoded``.
      now: the data as they are.

    Returns:
      Such as "2 images added (such as a/9.png), 1 images moved or renamed"; empty if
      nothing differs.

    Raises:
      ValueError: `before` is damaged.
    """
    try:
        with np.load(io.BytesIO(before), allow_pickle=False) as arrays:
            old = dict(zip(arrays["names"].tolist(), arrays["digests"].tolist(), strict=True))
    except (EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise ValueError(f"not a record of contents: {error}") from error
    keys = _name_digests(now).tolist()
    new = dict(zip(keys, now.digests.tolist(), strict=True))
    names = dict(zip(keys, now.names, strict=True))
    changed = [names[key] for key in new.keys() & old.keys() if new[key] != old[key]]
    gone = Counter(old[key] for key in old.keys() - new.keys())
    added: list[str] = []
    moved: list[str] = []
    for key in new.keys() - old.keys():
        known = gone[new[key]] > 0
        gone[new[key]] -= known
        (moved if known else added).append(names[key])
    found = [
        _counted(now.unit, "added", len(added), added),
        _counted(now.unit, "removed", gone.total(), []),
        _counted(now.unit, "moved or renamed", len(moved), moved),
        _counted(now.unit, "changed", len(changed), changed),
    ]
    return ", ".join(filter(None, found))


def _counted(unit: str, verb: str, count: int, names: Sequence[str]) -> str:
    example = f" (such as {printable(min(names))})" if names else ""
    return f"{count:,} {unit} {verb}{example}" if count else ""


def _name_digests(contents: Contents) -> UInt64[np.ndarray, " n"]:
    return np.array([_digest(os.fsencode(name)) for name in contents.names], np.uint64)


def _digest(*parts: Any) -> int:
    """Returns 64 bits of the digest of some bytes, or of the memory of arrays."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")
