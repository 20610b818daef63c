"""The folder of a run: its files, and whether it is new, unfinished or finished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ssl_jax.config import check, flatten, from_json
from ssl_jax.errors import InputError
from ssl_jax.output import write_whole, writing
from ssl_jax.train.checkpoint import check_path

CONFIG = "config.json"
EVALUATION = "evaluation.json"
CLASSES = "classes.json"
REPORT = "report.html"
UNREADABLE = "unreadable.json"
ASSETS = "assets"
_BEGUN = (ASSETS, CONFIG + ".part")  # what a run leaves that could not write its config


def check_workdir(workdir: Path, config: ConfigDict) -> None:
    """Checks that a workdir is new or holds a run with the same config; writes nothing.

    Raises:
      InputError: it is a file, it holds something else, its run has other settings (which are
        named), or checkpoints below it could not be read back.
    """
    check_path(workdir)
    if (workdir / CONFIG).exists():
        _check_same(workdir, read_config(workdir), config)
    elif workdir.exists() and not workdir.is_dir():
        raise InputError(f"{workdir}: is a file; expected a folder for the run")
    elif workdir.is_dir() and any(path.name not in _BEGUN for path in workdir.iterdir()):
        raise InputError(f"{workdir}: holds files but no {CONFIG}; expected a new folder or a run")


def make_workdir(workdir: Path, config: ConfigDict, assets: Mapping[str, str]) -> None:
    """Creates a workdir with ``config.json`` and ``assets/``; leaves an existing run as it is.

    Raises:
      InputError: it cannot be written.
    """
    if (workdir / CONFIG).exists():
        return
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        for name, text in assets.items():
            (workdir / ASSETS).mkdir(exist_ok=True)
            (workdir / ASSETS / name).write_text(text, "utf-8")
    write_json(workdir / CONFIG, config.to_dict())


def read_config(workdir: Path) -> ConfigDict:
    """Reads the config of a run.

    Raises:
      InputError: there is no ``config.json``, or it is damaged.
    """
    path = workdir / CONFIG
    try:
        config = from_json(json.loads(path.read_text()))
        check(config)
    except OSError:
        raise InputError(f"{workdir}: has no {CONFIG}; expected the workdir of a run") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is damaged: {error}") from error
    return config


def read_evaluation(workdir: Path) -> dict[str, float]:
    """Reads the scores of a run, which are empty before its evaluation.

    Raises:
      InputError: ``evaluation.json`` is damaged.
    """
    path = workdir / EVALUATION
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text())
        return {name: float(value) for name, value in values.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is damaged: {error}; expected one number per name") from error


def read_assets(workdir: Path) -> dict[str, str]:
    """Reads the text files that belong to the data of a run.

    Raises:
      InputError: one cannot be read.
    """
    found = {}
    for path in (workdir / ASSETS).glob("*"):
        try:
            found[path.name] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: is damaged: {error}; expected text") from error
    return found


def finished(workdir: Path) -> bool:
    """Returns whether a run has been trained, evaluated and reported."""
    return (workdir / EVALUATION).exists() and (workdir / REPORT).exists()


def write_json(path: Path, values: Any) -> None:
    """Writes JSON atomically.

    Raises:
      InputError: it cannot be written.
    """
    write_whole(path, (json.dumps(values, indent=2) + "\n").encode())


def _check_same(workdir: Path, there: ConfigDict, here: ConfigDict) -> None:
    a, b = dict(flatten(there)), dict(flatten(here))
    differing = [key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    if differing:
        listed = ", ".join(f"{k} ({a.get(k)!r} there, {b.get(k)!r} here)" for k in differing)
        raise InputError(f"{workdir}: was made with another config: {listed}; expected the same")
