"""Lists examples by name, so that what is computed for each one can be told apart later.

`folder:/path` stands for every image below the folder, sorted by relative path. There are no splits
and no labels: `train/` is a folder like any other. An image is a file with one of the endings of
folder.py, in upper or lower case; tree.py finds them.

`text:/path` stands in the same way for every `.txt` file, or for one file. A file is one example:
its first window of tokens.

Any other name stands for what `ssl_jax.data.load` loads: the training examples and then the test
examples, named `train/000000`, `train/000001`, ..., `test/000000`, ... Unlabeled images that are
used for pretraining only, such as those of STL-10, are left out. For text, these are the windows
that the evaluation scores.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import catalog, formats, options, tokeniser, tree
from ssl_jax.data.dataset import Chain, Example, Source, readers
from ssl_jax.data.files import reason
from ssl_jax.data.frame import Frame, frame_of
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.text import ASSET
from ssl_jax.data.tree import Listing, listing, printable
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

_UNITS = {"image": "images", "video": "clips", "text": "texts"}
_NOT_WINDOWS = "expected text:/path, or the data that the run was trained on"


class Named(NamedTuple):
    """Examples with names.

    Attributes:
      data: the name of the data; a folder is given by its absolute path.
      names: one name per example, as text that can be printed and stored.
      source: the examples, in the shape that the run reads. An example that cannot be read is all
        zeros.
      unreadable: position and reason of each example that could not be read; it fills up while
        the source is read.
      unit: what an example is called in messages, in the plural.
      note: on files that are left out because of their kind; empty if there are none.
      left_out: some of these files, each with its kind.
    """

    data: str
    names: Sequence[str]
    source: Source
    unreadable: Mapping[int, str]
    unit: str
    note: str = ""
    left_out: Mapping[str, str] = {}


def open_named(
    data: str, config_data: ConfigDict, assets: Mapping[str, str], *, data_dir: str | None = None
) -> Named:
    """Lists examples by the rules at the top of this file, for a run to read.

    Args:
      data: `folder:/path`, `text:/path`, or any other name that `ssl_jax.data.load` accepts.
      config_data: `config.data` of the run. The examples get its size, channels and length. Its
        `data_dir` is ignored, since a stranger's file must not choose what TFDS imports.
      assets: text files that belong to the data of the run, such as a tokenizer.
      data_dir: folder with a published archive, or that of TFDS or datasets; None: the default.

    Raises:
      InputError: the data does not exist, is empty, or is not what the run reads.
    """
    modality = config_data.modality
    for prefix, opener in {"folder:": _open_images, "text:": _open_texts}.items():
        if data.startswith(prefix):
            return opener(data, config_data, assets)
    kept = config_data.holdout if modality == "text" else 0  # a tokenizer depends on it
    changes = {"name": data, "data_dir": data_dir, "holdout": kept, "labels": None}
    changes |= options.columns_for(data, config_data)
    dataset = catalog.load(config_data.to_dict() | changes)
    _check_modality(data, dataset.facts["modality"], modality)
    if modality == "text" and dict(dataset.assets) != dict(assets):
        raise InputError(f"--data: {data!r} has another tokenizer than the run; {_NOT_WINDOWS}")
    for key, expected in MODALITIES[modality].example(config_data).items():
        shape = np.shape(dataset.train[0][key])
        if shape != expected.shape:
            raise InputError(
                f"--data: {data!r} has examples of shape {list(shape)}; "
                f"expected {list(expected.shape)}, as in training"
            )
    parts = {"train": dataset.train, "test": dataset.test}
    names = [f"{part}/{row:06}" for part, source in parts.items() for row in range(len(source))]
    return Named(data, names, Chain(*parts.values()), {}, _UNITS[modality])


class Pictures:
    """Image files, decoded on access by the threads of `dataset.readers`.

    Args:
      root: the folder.
      paths: relative to the folder.
      frame: the shape of an example.

    Attributes:
      unreadable: position and reason of each file that could not be decoded.
    """

    def __init__(self, root: Path, paths: Sequence[str], frame: Frame):
        formats.prepare()
        self.root = root
        self.paths = paths
        self.frame = frame
        self.unreadable: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        path = os.path.join(self.root, self.paths[index])
        try:
            return self.frame.center(self.frame.decode(path))
        except Exception as error:  # Pillow's decoders raise exceptions of almost any type
            self.unreadable[int(index)] = reason(error, path)
            return self.frame.blank()


class Texts:
    """Text files, of which the first window of tokens is read.

    Args:
      root: the folder.
      paths: relative to the folder.
      tokenizer_json: the run's tokenizer.
      tokens: the length of a window; shorter texts are padded.

    Attributes:
      unreadable: position and reason of each file that could not be read.
    """

    def __init__(self, root: Path, paths: Sequence[str], tokenizer_json: str, tokens: int):
        self.root = root
        self.paths = paths
        self.tokenizer_json = tokenizer_json
        self.tokens = tokens
        self.unreadable: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        return {name: column[0] for name, column in self.take(np.array([index])).items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{"tokens": [m, t]}`."""
        texts = list(readers().map(self._read, indices.tolist()))
        return {"tokens": tokeniser.encode(self.tokenizer_json, texts, self.tokens)}

    def _read(self, index: int) -> str:
        try:
            text = (self.root / self.paths[index]).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            self.unreadable[index] = "is not UTF-8"
            return ""
        except OSError as error:
            self.unreadable[index] = reason(error, "")
            return ""
        if not text.strip():
            self.unreadable[index] = "is empty"
        return text


def _open_images(data: str, config_data: ConfigDict, assets: Mapping[str, str]) -> Named:
    del assets
    _check_modality(data, "image", config_data.modality)
    root = _existing(data)
    if not root.is_dir():
        raise InputError(f"--data: {data!r} is not a folder; expected a folder of images")

    def source(paths: list[str]) -> Pictures:
        return Pictures(root, paths, frame_of(config_data))

    return _listed(data, root, source, "image", formats.ENDINGS)


def _open_texts(data: str, config_data: ConfigDict, assets: Mapping[str, str]) -> Named:
    _check_modality(data, "text", config_data.modality)
    root = _existing(data)

    def source(paths: list[str]) -> Texts:
        folder = root if root.is_dir() else root.parent
        return Texts(folder, paths, assets[ASSET], config_data.tokens)

    return _listed(data, root, source, "text", (".txt",))


def _listed(
    data: str,
    root: Path,
    make: Callable[[list[str]], Any],
    modality: str,
    endings: tuple[str, ...],
) -> Named:
    found = listing(root, endings) if root.is_dir() else Listing([root.name], Counter(), {})
    if not found.paths:
        raise InputError(
            f"--data: {data!r} holds no {modality}; expected files ending in {', '.join(endings)}"
        )
    source = make(found.paths)
    absolute = f"{data.partition(':')[0]}:{printable(str(root.resolve()))}"
    names = [path if path.isascii() else printable(path) for path in found.paths]
    left_out = {printable(path): kind for path, kind in found.named.items()}
    note = tree.note(found.left_out, endings) + formats.hint(found.left_out)
    return Named(absolute, names, source, source.unreadable, _UNITS[modality], note, left_out)


def _existing(data: str) -> Path:
    prefix, _, given = data.partition(":")
    path = expanded(given)
    if not given or not os.path.exists(path):
        raise InputError(f"--data: {data!r} does not exist; expected {prefix}:/path")
    return path


def _check_modality(data: str, there: str, expected: str) -> None:
    if there != expected:
        raise InputError(
            f"--data: {data!r} holds {_UNITS[there]}; expected {_UNITS[expected]}, as in training"
        )
