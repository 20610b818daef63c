"""The files that embeddings end up in: `.npz`, `.parquet`, or a folder of shards.

Each records what was computed, so that a second call can tell that nothing is left to do: an
`.npz` in the comment of the archive, a `.parquet` in the metadata of its schema, a folder in
`index.json`. None of them holds pickled objects. The same rows give the same bytes.
"""

import importlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.errors import InputError
from ssl_jax.export.shards import Shards, forget, npy_header, remove
from ssl_jax.output import write_whole, writing

INDEX = "index.json"
_KEY = b"ssl_jax"
_NAMES_PER_BLOCK = 10_000
_ROW_GROUP_BYTES = 16 * 2**20
_1980 = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold

About = Mapping[str, Any]


class Format(NamedTuple):
    """A kind of output.

    Attributes:
      work: `output -> folder` that the shards are written to.
      about: `output -> about` of a finished output; None if it is not one.
      finish: `(output, shards, names, about)`: writes the output from complete shards; it appears
        in one step.
      tidy: `work folder`: removes what is not needed beside a finished output.
    """

    work: Callable[[Path], Path]
    about: Callable[[Path], About | None]
    finish: Callable[[Path, Shards, Sequence[str], About], None]
    tidy: Callable[[Path], None]


def format_of(output: Path) -> Format:
    """Returns the format that an output's name asks for.

    Raises:
      InputError: the name has another ending, the folder it is in does not exist, or pyarrow is
        needed and missing.
    """
    ending = output.suffix.lower()
    if not output.name or (ending[1:].isalpha() and ending not in _FORMATS):
        raise InputError(
            f"--output: {str(output)!r}; expected a name that ends in .npz or .parquet, or a "
            "folder, whose name has no such ending"
        )
    if not output.parent.is_dir():
        raise InputError(f"--output: {str(output)!r}; expected a file in a folder that exists")
    if ending == ".parquet":
        _pyarrow("pyarrow")
    return _FORMATS.get(ending, _FOLDER)


def _write_npz(output: Path, shards: Shards, names: Sequence[str], about: About) -> None:
    part = shards.folder / "whole.part"
    with writing(output):
        with part.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                entry = zipfile.ZipInfo("embeddings.npy", _1980)
                with archive.open(entry, "w", force_zip64=True) as member:
                    member.write(npy_header("<f4", (shards.rows, *shards.row_shape)))
                    for block in shards.blocks():
                        member.write(block)
                entry = zipfile.ZipInfo("names.npy", _1980)
                entry.compress_type = zipfile.ZIP_DEFLATED  # most of a fixed width is padding
                with archive.open(entry, "w", force_zip64=True) as member:
                    for block in _names_npy(names):
                        member.write(block)
                archive.comment = json.dumps(about).encode()
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, output)


def _npz_about(output: Path) -> About | None:
    try:
        with zipfile.ZipFile(output) as archive:
            return _loaded(archive.comment)
    except (OSError, zipfile.BadZipFile):
        return None


def _write_parquet(output: Path, shards: Shards, names: Sequence[str], about: About) -> None:
    pa, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    row_type = pa.float32()
    for size in reversed(shards.row_shape):
        row_type = pa.list_(row_type, size)
    schema = pa.schema([("names", pa.string()), ("embeddings", row_type)])
    schema = schema.with_metadata({_KEY: json.dumps(about)})
    part = shards.folder / "whole.part"
    with writing(output):
        with parquet.ParquetWriter(part, schema, use_dictionary=False) as writer:
            start = 0
            for block in shards.blocks(_ROW_GROUP_BYTES):
                values = pa.array(np.frombuffer(block, "<f4"))
                for size in reversed(shards.row_shape):
                    values = pa.FixedSizeListArray.from_arrays(values, size)
                end = start + len(values)
                columns = [pa.array(names[start:end], pa.string()), values]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                start = end
        os.replace(part, output)


def _parquet_about(output: Path) -> About | None:
    try:
        metadata = _pyarrow("pyarrow.parquet").read_schema(output).metadata or {}
    except (OSError, ValueError):  # pyarrow's errors are among them
        return None
    return _loaded(metadata.get(_KEY, b""))


def _write_folder(output: Path, shards: Shards, names: Sequence[str], about: About) -> None:
    entries = []
    with writing(output):
        for number, path in enumerate(shards.paths()):
            first = number * shards.rows_per_shard
            own = names[first : first + shards.rows_per_shard]
            names_path = output / f"names-{number:05}.npy"
            write_whole(names_path, b"".join(_names_npy(own)))
            entries.append({"embeddings": path.name, "names": names_path.name, "rows": len(own)})
        index = {"rows": shards.rows, "row_shape": list(shards.row_shape), "shards": entries}
        write_whole(output / INDEX, json.dumps(index | {"about": about}, indent=2).encode() + b"\n")


def _folder_about(output: Path) -> About | None:
    try:
        index = _loaded((output / INDEX).read_bytes()) or {}
    except OSError:
        return None
    about = index.get("about")
    return about if isinstance(about, dict) else None


def _names_npy(names: Sequence[str]) -> Any:
    """Yields a `.npy` file of names, of the width of the longest one, in blocks."""
    descr = np.dtype(f"<U{max(map(len, names), default=1)}")
    yield npy_header(descr.str, (len(names),))
    for start in range(0, len(names), _NAMES_PER_BLOCK):
        yield np.array(names[start : start + _NAMES_PER_BLOCK], descr).tobytes()


def _loaded(text: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            "--output: .parquet needs pyarrow; expected it to be installed, "
            "as by pip install 'ssl_jax[parquet]'"
        ) from None


def _beside(output: Path) -> Path:
    return output.with_name(output.name + ".parts")


_FORMATS = {
    ".npz": Format(_beside, _npz_about, _write_npz, remove),
    ".parquet": Format(_beside, _parquet_about, _write_parquet, remove),
}
_FOLDER = Format(lambda output: output, _folder_about, _write_folder, forget)
