"""Opens the arrays of an .npz file in place, without loading them and without pickle."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ssl_jax.data.contents import Contents, digest_of_bytes
from ssl_jax.errors import InputError

_LOCAL_HEADER = 30  # bytes, before the name and the extra field


class Mapped(NamedTuple):
    """The arrays of a file, by name, and what tells whether they change."""

    arrays: Mapping[str, np.ndarray]
    contents: Contents


def open_arrays(path: Path, limit_mib: int) -> Mapped:
    """Opens the arrays of an .npz file.

    Arrays that `np.savez` wrote are mapped into memory: a part is read from disk when it is used.
    Compressed ones are loaded.

    Args:
      path: the file.
      limit_mib: compressed arrays that take more than this many MiB are refused.

    Raises:
      InputError: the file is missing or damaged, holds Python objects, or is compressed and large.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = [m for m in file.infolist() if m.filename.endswith(".npy")]
            names = [member.filename.removesuffix(".npy") for member in members]
            _check_size(path, members, limit_mib)
            arrays = [_opened(path, file, member) for member in members]
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(
            f"{path}: cannot be read ({' '.join(str(error).split())}); expected an .npz file of "
            "numbers, as np.savez writes it"
        ) from error
    digests = [digest_of_bytes(f"{m.file_size} {m.CRC}".encode()) for m in members]
    contents = Contents(names, np.array(digests, np.uint64), "arrays")
    return Mapped(dict(zip(names, arrays, strict=True)), contents)


def _check_size(path: Path, members: list[zipfile.ZipInfo], limit_mib: int) -> None:
    compressed = [m.file_size for m in members if m.compress_type != zipfile.ZIP_STORED]
    if (needed := sum(compressed) / 2**20) > limit_mib:
        raise InputError(
            f"{path}: is compressed and takes {needed:,.0f} MiB; expected at most data.cache_mib "
            f"{limit_mib:,}, or a file from np.savez, which is read in place"
        )


def _opened(path: Path, file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        with file.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL_HEADER)
        lengths = np.frombuffer(header[26:30], "<u2")
        stream.seek(member.header_offset + _LOCAL_HEADER + int(lengths.sum()))
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = reader(stream)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        if 0 in shape:
            return np.zeros(shape, dtype)
        order: Literal["C", "F"] = "F" if fortran else "C"
        mapped = np.memmap(
            path, dtype=dtype, mode="r", offset=stream.tell(), shape=shape, order=order
        )
        return np.asarray(mapped)
