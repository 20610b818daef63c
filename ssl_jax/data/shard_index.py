"""An index of tar shards on disk: where each image is, in which split, with which label.

It is built once and kept in ``$XDG_CACHE_HOME/ssl_jax/shards`` (by default in ``~/.cache``), which
may be deleted at any time:

- ``<shard>.npz`` holds what tar_samples.py found in one shard. It is used as long as the shard has
  the same path, size and time of change, so a new shard is read without reading the others again.
- ``<data>-<state>.npy`` and ``.json`` hold all images of a data set, sorted by split, and what is
  known of them. ``state`` is a hash of the shards' paths, sizes and times of change.

The records are read through a memory map, so a process needs no memory for them. Files are replaced
whole and checksums are verified, so that several processes may build an index at the same time, and
a damaged file is built again.
"""

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ssl_jax import user_cache
from ssl_jax.data import memory
from ssl_jax.data.dataset import readers
from ssl_jax.data.shard_rules import TEST, TRAIN, UNLABELED, Tally
from ssl_jax.data.tar_samples import Samples, read_samples
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

RECORD = np.dtype(
    [
        ("shard", "<u4"),  # counted from 0 on, through the training shards and then the test shards
        ("offset", "<u8"),
        ("size", "<u4"),
        ("blocks", "<u2"),
        ("label", "<i4"),  # counts the label names; -1 stands for no label
    ]
)
_VERSION = 1
_AT_ONCE = 8  # shards that are in memory
_KINDS = 100  # that a shard's index counts
_KEPT_SECONDS = 86_400  # another process may still open what is younger


class Shard(NamedTuple):
    """A tar file as it was when the data was opened: real path, size in bytes, time of change."""

    path: Path
    size: int
    changed_ns: int


class Index(NamedTuple):
    """The images of a data set.

    Attributes:
      records: RECORD [n], a memory map.
      counts: of the records for pretraining only, for training and for testing, in this order.
      label_names: one name per label, or None.
      notes: for the user.
    """

    records: np.ndarray
    counts: tuple[int, int, int]
    label_names: tuple[str, ...] | None
    notes: tuple[str, ...]

    @property
    def splits(self) -> list[np.ndarray]:
        """The records of each split."""
        return np.split(self.records, np.cumsum(self.counts)[:-1])


def shard_at(path: Path) -> Shard:
    """Returns the shard at a path.

    Raises:
      InputError: there is no such file, or it cannot be read.
    """
    try:
        real = path.resolve(strict=True)
        found = real.stat()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a plain tar file"
        ) from error
    return Shard(real, found.st_size, found.st_mtime_ns)


def open_index(name: str, train: Sequence[Shard], test: Sequence[Shard]) -> Index:
    """Opens the index of a data set; builds it first if need be.

    Args:
      name: of the data: `wds:/path`.
      train: the shards of the training split, in order.
      test: those of the test split. If they hold no image, one in ten training images is for
        testing, as a hash of the samples' keys decides.

    Raises:
      InputError: a shard cannot be read, there are too few images, or the index cannot be written.
    """
    place = os.path.abspath(expanded(name.removeprefix("wds:")))
    facts = [[(str(shard.path), *shard[1:]) for shard in part] for part in (train, test)]
    stem = _folder() / f"{_hash(place)}-{_hash([_VERSION, facts])}"
    if (found := _opened(stem)) is not None:
        return found
    _build(name, train, test, stem)
    if (found := _opened(stem)) is not None:
        return found
    raise InputError(f"{stem}.npy: is not what was written; expected a disk without errors")


def _opened(stem: Path) -> Index | None:
    """Opens a built index; returns None if there is none, or if it is damaged."""
    path = stem.with_suffix(".npy")
    try:
        checksum, text = stem.with_suffix(".json").read_text(encoding="ascii").split("\n")
        if _checksum(path, text) != checksum:
            return None
        records = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError):
        return None
    about = json.loads(text)
    names = about["label_names"]
    return Index(records, about["counts"], names and tuple(names), tuple(about["notes"]))


def _build(name: str, train: Sequence[Shard], test: Sequence[Shard], stem: Path) -> None:
    """Writes the index of a data set."""
    shards, path = [*train, *test], stem.with_suffix(".npy")
    tally = Tally()
    for start in memory.chunks(len(shards), "indexing shards", _AT_ONCE):
        several = shards[start : start + _AT_ONCE]
        for number, samples in enumerate(readers().map(_samples, several), start):
            tally.add(number, shards[number].path, samples, is_test=number >= len(train))
    rules = tally.rules(name)
    with _replacing(path) as file:
        header = {"descr": np.lib.format.dtype_to_descr(RECORD), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (sum(rules.counts),)})
        at = file.tell() + RECORD.itemsize * np.cumsum([0, *rules.counts])
        for number in memory.chunks(len(shards), "sorting images by split", 1):
            samples = _samples(shards[number])
            rows = np.empty(len(samples.records), RECORD)
            for field in ("offset", "size", "blocks"):
                rows[field] = samples.records[field]
            rows["shard"], rows["label"] = number, rules.labels_of(samples)
            split_of = rules.splits_of(number, samples, is_test=number >= len(train))
            for split in (UNLABELED, TRAIN, TEST):
                file.seek(at[split])
                file.write(rows[split_of == split].tobytes())
                at[split] = file.tell()
    about = {
        "counts": rules.counts,
        "label_names": rules.numbers and list(rules.numbers),
        "notes": rules.notes,
    }
    text = json.dumps(about)
    with _replacing(stem.with_suffix(".json")) as file:
        file.write(f"{_checksum(path, text)}\n{text}".encode())
    _forget_others(stem)


def _forget_others(stem: Path) -> None:
    """Deletes what is older than a day: the data set's index in earlier states of its shards."""
    for path in stem.parent.glob(f"{stem.name.partition('-')[0]}-*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()


def _checksum(path: Path, text: str) -> str:
    """Returns the hash of a file and a text."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(text.encode())
    return digest.hexdigest()


def _samples(shard: Shard) -> Samples:
    """Returns the samples of a shard, from its index if there is one.

    Raises:
      InputError: the shard cannot be read, or has changed; or its index cannot be written.
    """
    path = _folder() / f"{_hash(str(shard.path))}.npz"
    about = {"version": _VERSION, "path": str(shard.path), "state": list(shard[1:])}
    if (kept := _kept(path, about)) is not None:
        return kept
    found = read_samples(shard.path)
    if shard_at(shard.path) != shard:
        raise InputError(f"{shard.path}: changes while it is read; expected a complete file")
    about |= {
        "labels": found.labels,
        "without_image": dict(found.without_image.most_common(_KINDS)),
        "unused": found.unused,
        "cut_at": found.cut_at,
    }
    with _replacing(path) as file:
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(file, about=text, records=found.records)
    return found


def _kept(path: Path, expected: dict[str, Any]) -> Samples | None:
    """Reads the index of a shard; returns None if there is none, or it is damaged or outdated."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            records, about = arrays["records"], json.loads(arrays["about"].tobytes())
    except Exception:  # NumPy and zipfile raise exceptions of several types on damaged files
        return None
    if any(about[key] != value for key, value in expected.items()):
        return None
    return Samples(
        records,
        tuple(about["labels"]),
        Counter(about["without_image"]),
        Counter(about["unused"]),
        about["cut_at"],
    )


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a new file that replaces another one when it is complete.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        descriptor, part = tempfile.mkstemp(dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                yield file
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise _unwritable(error) from error


def _folder() -> Path:
    """Returns the folder of all indexes.

    Raises:
      InputError: it cannot be made.
    """
    try:
        folder = user_cache.folder(os.environ, "shards")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise _unwritable(error) from error
    return folder


def _unwritable(error: Exception) -> InputError:
    return InputError(
        f"XDG_CACHE_HOME: the index of the shards cannot be kept: {error}; expected a folder that "
        "can be written, with 60 bytes of room per image"
    )


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode(errors="surrogateescape")).hexdigest()[:32]
