"""The folder of a run: its files, and whether it is new, unfinished or finished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ssl_jax.config import check, flatten, from_json
from ssl_jax.data.contents import Contents, changes
from ssl_jax.errors import InputError
from ssl_jax.output import write_whole, writing
from ssl_jax.train.checkpoint import check_path

CONFIG = "config.json"
EVALUATION = "evaluation.json"
CLASSES = "classes.json"
REPORT = "report.html"
UNREADABLE = "unreadable.json"
CONTENTS = "contents.npz"
ASSETS = "assets"
_BEGUN = (ASSETS, CONTENTS, CONFIG + ".part")  # what a run leaves that could not write its config
_PLACE = ("data.name", "data.data_dir")


def check_workdir(workdir: Path, config: ConfigDict, contents: Contents | None = None) -> None:
    """Checks that a workdir is new or holds a run with the same config and data; writes nothing.

    Args:
      workdir: of the run.
      config: resolved.
      contents: of the data. If they are those of the run, the data may lie in another place.

    Raises:
      InputError: it is a file, it holds something else, its run has other settings (which are
        named), its data changed, or checkpoints below it could not be read back.
    """
    check_path(workdir)
    if (workdir / CONFIG).exists():
        _check_same(workdir, config, _check_contents(workdir, config, contents))
    elif workdir.exists() and not workdir.is_dir():
        raise InputError(f"{workdir}: is a file; expected a folder for the run")
    elif workdir.is_dir() and any(path.name not in _BEGUN for path in workdir.iterdir()):
        raise InputError(f"{workdir}: holds files but no {CONFIG}; expected a new folder or a run")


def make_workdir(
    workdir: Path,
    config: ConfigDict,
    assets: Mapping[str, str],
    contents: Contents | None = None,
) -> None:
    """Creates a workdir with ``config.json``, ``contents.npz`` and ``assets/``.

    Of a run that is there, only the place of its data is changed.

    Raises:
      InputError: it cannot be written.
    """
    if (workdir / CONFIG).exists():
        if dict(flatten(read_config(workdir))) != dict(flatten(config)):
            write_json(workdir / CONFIG, config.to_dict())
        return
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        for name, text in assets.items():
            (workdir / ASSETS).mkdir(exist_ok=True)
            (workdir / ASSETS / name).write_text(text, "utf-8")
    if contents is not None:
        write_whole(workdir / CONTENTS, contents.encoded())
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


def _check_contents(workdir: Path, config: ConfigDict, contents: Contents | None) -> bool:
    """Returns whether the data are known to be those of the run, wherever they lie.

    Raises:
      InputError: they are others.
    """
    path = workdir / CONTENTS
    if contents is None or not path.exists():
        return False
    try:
        found = changes(path.read_bytes(), contents)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged: {error}; expected the run's own file") from error
    if found:
        raise InputError(
            f"data.name: {config.data.name!r} changed since {workdir} was made: {found}; expected "
            "the same data, or another workdir"
        )
    return True


def _check_same(workdir: Path, config: ConfigDict, same_data: bool) -> None:
    a, b = dict(flatten(read_config(workdir))), dict(flatten(config))
    differing = [key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    if same_data:
        differing = [key for key in differing if key not in _PLACE]
    if differing:
        listed = ", ".join(f"{k} ({a.get(k)!r} there, {b.get(k)!r} here)" for k in differing)
        raise InputError(f"{workdir}: was made with another config: {listed}; expected the same")
