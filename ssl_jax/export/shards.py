"""Keeps rows of numbers on disk while they are computed, so that an interruption loses nothing.

The folder of an unfinished computation holds

- `begun.json`: what is computed, so that nothing else is appended;
- `embeddings-00000.npy`, ...: full shards, all of the same number of rows;
- `embeddings-00001.npy.part`: the shard that is being written;
- `journal.jsonl`: one line per commit. A line counts once the rows before it are on disk.

Rows that were written after the last commit are cut off and computed again.
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ssl_jax.errors import InputError
from ssl_jax.output import write_whole, writing

BEGUN = "begun.json"
JOURNAL = "journal.jsonl"
_ROWS_PER_SHARD = 100_000
_BYTES_PER_SHARD = 256 * 2**20
_COPIED_BYTES = 4 * 2**20
_WORK_PER_COMMIT = 20  # a commit takes at most a twentieth of the time


class Shards:
    """Float32 rows in files of a fixed number of rows, appended to and committed.

    Args:
      folder: holds the files; created if it does not exist.
      about: what is computed, as JSON; a folder that was begun for something else is refused.
      row_shape: the shape of one row.

    Attributes:
      done: number of examples that were consumed.
      rows: number of rows that were kept; fewer than `done` if some examples are unreadable.
      unreadable: position and reason of each example without a row.
      rows_per_shard: of every shard but the last.

    Raises:
      InputError: the folder holds something else, or cannot be written.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], row_shape: tuple[int, ...]):
        self.folder = folder
        self.row_shape = row_shape
        self.row_bytes = 4 * int(np.prod(row_shape))
        self.rows_per_shard = max(1, min(_ROWS_PER_SHARD, _BYTES_PER_SHARD // self.row_bytes))
        self.done = 0
        self.rows = 0
        self.unreadable: dict[int, str] = {}
        self._new_unreadable: dict[int, str] = {}
        self._header_bytes = len(npy_header("<f4", (self.rows_per_shard, *row_shape)))
        self._file: BinaryIO | None = None
        self._lock: BinaryIO | None = None
        self._committed = time.monotonic()
        self._commit_seconds = 0.0
        begun = {
            "about": dict(about),
            "row_shape": list(row_shape),
            "rows_per_shard": self.rows_per_shard,
        }
        try:
            with writing(folder):
                self._begin(begun)
                self._restore()
        except BaseException:
            self._release()
            raise

    def append(self, done: int, rows: np.ndarray, unreadable: Mapping[int, str]) -> None:
        """Appends rows, and commits if that takes little of the time.

        Args:
          done: number of examples consumed, these included.
          rows: `[m, *row_shape]`.
          unreadable: those of the examples that gave no row.
        """
        written = self.rows  # self.rows and self.done change together, or a commit would lie
        with writing(self.folder):
            rows = np.ascontiguousarray(rows, "<f4")
            while len(rows):
                block = rows[: self.rows_per_shard - written % self.rows_per_shard]
                self._open(written).write(block.data)
                written += len(block)
                rows = rows[len(block) :]
                if written % self.rows_per_shard == 0:
                    self._complete(written)
        self.done, self.rows = done, written
        self.unreadable |= unreadable
        self._new_unreadable |= unreadable
        if time.monotonic() - self._committed >= _WORK_PER_COMMIT * self._commit_seconds:
            self.commit()

    def commit(self) -> None:
        """Makes sure that everything appended so far survives a crash."""
        began = time.monotonic()
        line = {"done": self.done, "rows": self.rows, "unreadable": self._new_unreadable}
        with writing(self.folder):
            if self._file is not None:
                _sync(self._file)
            with (self.folder / JOURNAL).open("ab") as journal:
                journal.write(json.dumps(line).encode() + b"\n")
                _sync(journal)
        self._new_unreadable = {}
        self._committed = time.monotonic()
        self._commit_seconds = self._committed - began

    def complete(self) -> None:
        """Turns the last rows into a shard; nothing can be appended afterwards."""
        self.commit()
        if self.rows % self.rows_per_shard:
            with writing(self.folder):
                self._complete(self.rows)

    def close(self) -> None:
        """Commits and closes; forgets a computation that has not consumed anything."""
        try:
            if (self.folder / BEGUN).exists():
                self.commit()
                if self.done == 0:
                    remove(self.folder)
        finally:
            self._release()

    def paths(self) -> list[Path]:
        """Returns the files of the shards, in order."""
        return [self._path(number) for number in range(-(-self.rows // self.rows_per_shard))]

    def blocks(self, size: int = _COPIED_BYTES) -> Iterator[bytes]:
        """Yields the rows of all shards as bytes, in order: whole rows, of about `size` bytes."""
        size = max(1, size // self.row_bytes) * self.row_bytes
        for path in self.paths():
            with path.open("rb") as file:
                file.seek(self._header_bytes)
                while block := file.read(size):
                    yield block

    def _release(self) -> None:
        for file in filter(None, (self._file, self._lock)):
            with contextlib.suppress(OSError):  # a commit has reported it
                file.close()
        self._file = self._lock = None

    def _begin(self, begun: Mapping[str, Any]) -> None:
        path = self.folder / BEGUN
        self.folder.mkdir(exist_ok=True)
        if path.exists():
            _check_same(self.folder, _read_json(path), begun)
        elif any(each.name != BEGUN + ".part" for each in self.folder.iterdir()):
            raise InputError(f"{self.folder}: holds other files; expected a new or empty folder")
        else:
            write_whole(path, json.dumps(begun, indent=2).encode() + b"\n")
        self._lock = path.open("rb")
        if not _locked(self._lock):
            raise InputError(
                f"{self.folder}: is being written; expected that the other process ends first"
            )

    def _restore(self) -> None:
        """Goes back to the last commit whose rows are all there, and drops what follows it."""
        journal = self.folder / JOURNAL
        lines = _read_lines(journal)
        while lines and not self._holds(lines[-1]["rows"]):
            lines.pop()
        for line in lines:
            self.done, self.rows = line["done"], line["rows"]
            self.unreadable |= {int(i): reason for i, reason in line["unreadable"].items()}
        write_whole(journal, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        full, rest = divmod(self.rows, self.rows_per_shard)
        last = self._path(full)
        if rest:
            if not _part(last).exists():
                os.replace(last, _part(last))  # it was completed after the last commit
            os.truncate(_part(last), self._header_bytes + rest * self.row_bytes)

    def _holds(self, rows: int) -> bool:
        """Returns whether the shards hold at least this number of rows."""
        full, rest = divmod(rows, self.rows_per_shard)
        whole = self._header_bytes + self.rows_per_shard * self.row_bytes
        if any(_size(self._path(number)) != whole for number in range(full)):
            return False
        last = self._path(full)
        size = _size(_part(last)) if _part(last).exists() else _size(last)
        return rest == 0 or size >= self._header_bytes + rest * self.row_bytes

    def _open(self, rows: int) -> BinaryIO:
        """Returns the file that the row after the first `rows` rows belongs to, at its end."""
        if self._file is None:
            number, rest = divmod(rows, self.rows_per_shard)
            self._file = _part(self._path(number)).open("r+b" if rest else "w+b")
            self._file.write(npy_header("<f4", (self.rows_per_shard, *self.row_shape)))
            self._file.seek(0, os.SEEK_END)
        return self._file

    def _complete(self, rows: int) -> None:
        """Completes the shard that ends after the first `rows` rows."""
        number = (rows - 1) // self.rows_per_shard
        file = self._open(rows)
        file.seek(0)
        file.write(npy_header("<f4", (rows - number * self.rows_per_shard, *self.row_shape)))
        _sync(file)
        file.close()
        self._file = None
        os.replace(_part(self._path(number)), self._path(number))

    def _path(self, number: int) -> Path:
        return self.folder / f"embeddings-{number:05}.npy"


def remove(folder: Path) -> None:
    """Removes the files of a computation, and the folder if nothing else is in it."""
    forget(folder)
    for pattern in ("embeddings-*.npy", "names-*.npy", "*.part"):
        for path in folder.glob(pattern):
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def forget(folder: Path) -> None:
    """Removes what only an unfinished computation needs."""
    for path in (folder / JOURNAL, folder / BEGUN):
        path.unlink(missing_ok=True)


def npy_header(descr: str, shape: Sequence[int]) -> bytes:
    """Returns the start of a `.npy` file; its length does not depend on the first axis."""
    buffer = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Names the entries in which two descriptions differ; empty if they are equal."""
    return ", ".join(key for key in here if there.get(key) != here[key])


def _check_same(folder: Path, there: Any, here: Mapping[str, Any]) -> None:
    there_about = there.get("about") if isinstance(there, dict) else None
    if not isinstance(there_about, dict):
        raise InputError(f"{folder / BEGUN}: is damaged; expected that you delete {folder}")
    differing = differences(there_about, here["about"]) or differences(there, here)
    if differing:
        raise InputError(
            f"{folder}: was begun with other {differing}; expected the same, or another --output, "
            "or that you delete that folder to start over"
        )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a journal up to the first damaged one."""
    lines: list[dict[str, Any]] = []
    for text in path.read_bytes().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
            lines.append({key: line[key] for key in ("done", "rows", "unreadable")})
        except (ValueError, TypeError, KeyError):
            break
    return lines


def _locked(file: BinaryIO) -> bool:
    """Locks a file until it is closed; returns False if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        pass
    return True


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
