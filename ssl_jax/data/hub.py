"""Loads the splits of a data set with Hugging Face's `datasets` library.

- `hf:OWNER/NAME` is a data set of the Hugging Face Hub. `hf:OWNER/NAME:CONFIG` is one of its
  configurations, if it has several.
- `hf:/path`, `hf:~/path` and `hf:./path` are a folder: of Parquet files, of image files, or written
  by `save_to_disk`.

`datasets` copies what it reads to Arrow files and reads those through a memory map. They are in
`data.data_dir`, by default in Hugging Face's own cache; downloads are always there. Without a
network, what was loaded before is read from there after some attempts, which HF_HUB_OFFLINE=1 in
the environment avoids.

From version 4 on, `datasets` runs no code that comes with a data set. Earlier versions are refused.
"""

import importlib
import logging
import os
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ssl_jax.data.options import Options
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

Features = Mapping[str, Any]

# Without an owner, datasets would take `csv` or `pandas` for one of its readers of local files.
_ON_HUB = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(:(?P<config>[^:/]+))?", re.ASCII)
_SAVED_TO_DISK = ("dataset_dict.json", "state.json")
_OLDEST = 4
_LONGEST = 400  # characters of a message of theirs


class Splits(NamedTuple):
    """The splits of a data set.

    Attributes:
      parts: the `datasets.Dataset` of each split, by name.
      folders: where the image files are that rows name by a path; None: anywhere. A data set of the
        Hub must not name other files of this machine.
    """

    parts: dict[str, Any]
    folders: tuple[str, ...] | None


def local_folder(name: str) -> Path | None:
    """Returns the folder that a name stands for; None if it is a name on the Hub."""
    given = name.removeprefix("hf:")
    return expanded(given).absolute() if given.startswith(("/", "~", ".")) else None


def load(options: Options, check: Callable[[Features], object]) -> Splits:
    """Loads all splits.

    Args:
      options: of which `name` and `data_dir` are read.
      check: is called with the features if they are known before the data is downloaded; raises
        InputError if they cannot be used.

    Raises:
      InputError: `datasets` is missing or too old, or it cannot load the data.
    """
    key = f"data.name: {options.name!r}"
    given = options.name.removeprefix("hf:")
    if (folder := local_folder(options.name)) is not None:
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise InputError(f"{key} {what}; expected a folder of Parquet files or images")
        return Splits(_load(options, check, str(folder), None), None)
    match = _ON_HUB.fullmatch(given)
    if not match:
        raise InputError(
            f"{key} is not a name on the Hugging Face Hub; expected hf:OWNER/NAME, "
            "hf:OWNER/NAME:CONFIG, or a folder as hf:/path or hf:./path"
        )
    if os.path.exists(match["name"]):  # datasets would read that
        raise InputError(
            f"{key} is also a path here; expected hf:./{match['name']} for that path, or another "
            "working directory"
        )
    parts = _load(options, check, match["name"], match["config"])
    cache = options.data_dir or str(importlib.import_module("datasets.config").HF_DATASETS_CACHE)
    downloads = importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE
    return Splits(parts, (os.path.abspath(cache), os.path.abspath(downloads)))


def _load(
    options: Options, check: Callable[[Features], object], path: str, config: str | None
) -> dict[str, Any]:
    datasets = _import(options.name)
    try:
        if any(os.path.exists(os.path.join(path, name)) for name in _SAVED_TO_DISK):
            saved = datasets.load_from_disk(path)
            return dict(saved) if isinstance(saved, dict) else {"train": saved}
        builder = datasets.load_dataset_builder(path, config, cache_dir=options.data_dir)
        if builder.info.features:
            check(builder.info.features)
        builder.download_and_prepare()
        return dict(builder.as_dataset())
    except InputError:
        raise
    except Exception as error:  # network, permissions, disk or damaged files
        raise InputError(
            f"data.name: {options.name!r} cannot be loaded by datasets: {_reason(error)}; expected "
            "Parquet files or images, and a network connection if they are on the Hub"
        ) from error


def _import(name: str) -> Any:
    install = "expected `pip install 'ssl_jax[hf]'`"
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(
            f"data.name: {name!r} needs Hugging Face's package datasets; {install}"
        ) from error
    if int(datasets.__version__.partition(".")[0]) < _OLDEST:
        raise InputError(
            f"data.name: {name!r} needs datasets {_OLDEST} or later, found {datasets.__version__}; "
            f"{install}"
        )
    for library in ("datasets", "huggingface_hub"):
        logging.getLogger(library).propagate = False  # they have handlers of their own
    return datasets


def _reason(error: Exception) -> str:
    """Returns the message in one line; where it says nothing, the message of its cause."""
    generic = type(error).__name__ == "DatasetGenerationError"
    told = error.__cause__ if generic and error.__cause__ else error
    return textwrap.shorten(str(told), _LONGEST, placeholder=" ...") or type(told).__name__
