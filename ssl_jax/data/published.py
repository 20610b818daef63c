"""Data sets that their authors publish as an archive: finds, unpacks or downloads their files.

The files are looked for in `data.data_dir`, or, if that is None, in the cache folder, which is
`~/.cache/ssl_jax/data` (`$XDG_CACHE_HOME`). That place holds the archive, or the folder that is in
the archive; `data.data_dir` may also be that folder. What the cache folder lacks is downloaded.

An archive must have the published SHA-256. It is unpacked once, into the cache folder; nothing is
ever written to `data.data_dir`. Files appear in the cache folder under their final name when they
are complete, so an interrupted start leaves nothing behind that is taken for data, and several
starts at once do not disturb each other.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssl_jax import user_cache
from ssl_jax.data import download
from ssl_jax.data.dataset import Source, Subset
from ssl_jax.data.options import Options
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

_NAMES_LIMIT = 2**16
_BLOCK = 2**20


class Archive(NamedTuple):
    """A gzipped tar archive, and what is read of it.

    Attributes:
      url: where it is published.
      size: in bytes.
      sha256: of the archive, as hexadecimal digits.
      folder: the folder in the archive that holds all files.
      names: the text file in it with the name of one class per line.
      files: the other files in it, with their sizes in bytes.
    """

    url: str
    size: int
    sha256: str
    folder: str
    names: str
    files: Mapping[str, int]

    @property
    def file(self) -> str:
        """The name of the archive itself."""
        return self.url.rpartition("/")[2]


def find(archive: Archive, options: Options) -> Path:
    """Returns the folder with the files of an archive, by the rules at the top of this file.

    Raises:
      InputError: the files are not there and cannot be downloaded, or the archive or one of its
        files is not as published.
    """
    given = options.data_dir
    place = _cache(options) if given is None else expanded(given)
    packed, folder = place / archive.file, place / archive.folder
    if not os.path.isdir(folder):  # unlike Path.is_dir, it raises no PermissionError
        if os.path.isfile(packed):
            folder = _unpacked(archive, _cache(options), packed)
        elif any(os.path.isfile(place / name) for name in archive.files):
            folder = place
        elif given is None:
            folder = _downloaded(archive, place, options)
        else:
            raise InputError(
                f"data.data_dir: {given!r} holds neither {archive.file} nor "
                f"{archive.folder}; expected one of them, None to download {archive.url}, or "
                f"data.name 'tfds:{options.name}' for data that TFDS prepared"
            )
    _check_sizes(folder, archive)
    return folder


def read_names(path: Path) -> tuple[str, ...]:
    """Reads the names of the classes, one per line; empty lines do not count.

    Raises:
      InputError: the file cannot be read, or holds no names.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_NAMES_LIMIT).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected one name per line") from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise InputError(f"{path}: is empty; expected one name per line")
    return names


def check_labels(
    path: Path, labels: np.ndarray, names: tuple[str, ...], first: int = 0
) -> np.ndarray:
    """Checks that there is a name for each label of a file.

    Args:
      path: the file, for the error message.
      labels: uint8 [n], as they are in the file.
      names: the names of the classes.
      first: the label of the first class in the file.

    Returns:
      The labels, counted from 0, int32 [n].

    Raises:
      InputError: a label has no name.
    """
    last = first + len(names) - 1
    wrong = labels[(labels < first) | (labels > last)]
    if len(wrong):
        raise InputError(f"{path}: holds the label {wrong[0]}; expected {first} to {last}")
    return labels.astype(np.int32) - np.int32(first)


def in_order_of_tfds(source: Source, split: str) -> Subset:
    """Puts the examples of a split into the order in which TFDS stores them.

    Examples are then held out, drawn and named as those of `tfds:NAME`. TFDS sorts them by the MD5
    of the split's name and of their position in the published files.
    """
    hashed = [
        hashlib.md5(f"{split}{row}".encode(), usedforsecurity=False).digest()
        for row in range(len(source))
    ]
    return Subset(source, np.array(sorted(range(len(source)), key=hashed.__getitem__)))


def _cache(options: Options) -> Path:
    try:
        return user_cache.folder(os.environ, "data")
    except RuntimeError as error:
        raise InputError(
            f"data.name: {options.name!r} has no folder to be kept in ({error}); "
            "expected an absolute path in $XDG_CACHE_HOME"
        ) from error


def _unpacked(archive: Archive, cache: Path, packed: Path) -> Path:
    """Unpacks an archive into the cache folder, unless that was done before."""
    folder = cache / archive.folder
    if folder.is_dir():
        return folder
    try:
        with _temporary(cache) as temporary:
            _check_archive(packed, archive, str(packed))
            _unpack(packed, archive, Path(temporary), folder)
    except OSError as error:
        raise InputError(
            f"{packed}: cannot be unpacked into {cache} ({error}); expected a folder to write to"
        ) from error
    return folder


def _downloaded(archive: Archive, cache: Path, options: Options) -> Path:
    """Downloads an archive and unpacks it into the cache folder; the archive is not kept."""
    folder = cache / archive.folder
    try:
        with _temporary(cache) as temporary:
            packed = Path(temporary) / archive.file
            download.fetch(archive.url, archive.size, packed)
            _check_archive(packed, archive, archive.url)
            _unpack(packed, archive, Path(temporary), folder)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            f"data.name: {options.name!r} cannot be downloaded from {archive.url} to {cache} "
            f"({reason}); expected a network connection, or "
            f"{archive.file} in that folder or in data.data_dir"
        ) from error
    return folder


def _temporary(cache: Path) -> tempfile.TemporaryDirectory:
    """Makes a folder inside the cache folder, from which files can be moved without copying."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="partial-", dir=cache)


def _check_archive(packed: Path, archive: Archive, title: str) -> None:
    size = packed.stat().st_size
    if size != archive.size:
        raise InputError(f"{title}: has {size} bytes; expected {archive.size}, as published")
    with packed.open("rb") as file, download.shown(file, size, f"checking {packed.name}") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if found != archive.sha256:
        raise InputError(
            f"{title}: has the SHA-256 {found}; expected {archive.sha256}, as published"
        )


def _unpack(packed: Path, archive: Archive, temporary: Path, folder: Path) -> None:
    """Unpacks the known files of an archive, and then moves all of them in place at once.

    Whatever else is in the archive is left out, and so is a file of another size than expected.
    """
    unpacked = temporary / archive.folder
    unpacked.mkdir()
    with (
        packed.open("rb") as file,
        download.shown(file, archive.size, f"unpacking {packed.name}") as source,
        tarfile.open(fileobj=source, mode="r|gz", bufsize=_BLOCK) as members,
    ):
        for member in members:
            name = member.name.removeprefix(f"{archive.folder}/")
            small = name == archive.names and member.size <= _NAMES_LIMIT
            known = member.isreg() and (small or member.size == archive.files.get(name))
            if known and (content := members.extractfile(member)):
                with (unpacked / name).open("xb") as target:
                    shutil.copyfileobj(content, target, _BLOCK)
    try:
        unpacked.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise


def _check_sizes(folder: Path, archive: Archive) -> None:
    for name, expected in archive.files.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); expected a file of {expected} bytes"
            ) from error
        if size != expected:
            raise InputError(f"{path}: has {size} bytes; expected {expected}, as published")
