"""What the scripts in ``experiments/`` share: flags, and one line and exit code 2 for bad input."""

import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from ssl_jax import cpu
from ssl_jax.errors import InputError


def define_config() -> None:
    """Defines ``--config FILE[:ARG,ARG]`` and ``--config.key=VALUE``."""
    config_flags.DEFINE_config_file("config", None, "a file in configs/, optionally with :ARG,...")


def define_workdir() -> None:
    """Defines ``--workdir FOLDER``."""
    flags.DEFINE_string("workdir", None, "the run's folder")


def run(main: Callable[..., None], words: Sequence[str] = (), several: str = "") -> None:
    """Parses the command line and runs ``main`` with the positional arguments.

    Bad input ends with one line and exit code 2; a requested stop with one line and exit code 130.

    Args:
      main: called with the positional arguments.
      words: if not empty, exactly one positional argument is required, and it is one of these.
      several: if not empty, at least one positional argument is required; this says what they are,
        such as "folders".
    """
    flags.DEFINE_boolean("compilation_cache", True, "keep compiled programs for the next start")
    _make_importable("configs", Path(sys.argv[0]).resolve().parents[1])
    app.run(
        lambda rest: _guarded(lambda: main(*rest[1:])),
        flags_parser=partial(_parse, words=words, several=several),
    )


def _make_importable(package: str, folder: Path) -> None:
    """Makes one package of a folder importable, for ``from configs import common``.

    Putting the whole folder on ``sys.path`` would make files of a downloaded run importable too.
    """
    if (folder / package).is_dir():
        spec = ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations = [str(folder / package)]
        sys.modules[package] = module_from_spec(spec)


def required(name: str) -> str:
    """Returns the value of a flag that must be given.

    Raises:
      InputError: the flag is missing.
    """
    value = flags.FLAGS[name].value
    if not value:
        raise InputError(f"--{name}: is missing; expected a value")
    return value


def config() -> ConfigDict:
    """Returns the config that ``--config`` names, with the changes from the command line.

    Raises:
      InputError: the flag is missing, or its file cannot be read.
    """
    required("config")
    value = flags.FLAGS.config
    if not isinstance(value, ConfigDict):
        path = config_flags.get_config_filename(flags.FLAGS["config"])
        raise InputError(f"--config: {path} cannot be read; expected a file with get_config(arg)")
    return value


def _parse(arguments: list[str], words: Sequence[str] = (), several: str = "") -> list[str]:
    try:
        rest = flags.FLAGS(arguments)
        if words and (len(rest) != 2 or rest[1] not in words):
            given = " ".join(rest[1:])
            problem = f"{given}: is unknown" if given else "an argument is missing"
            raise InputError(f"{problem}; expected one of {', '.join(words)}")
        if several and len(rest) == 1:
            raise InputError(f"an argument is missing; expected {several}")
        if not words and not several and len(rest) > 1:
            raise InputError(f"{rest[1]}: is not a flag; expected --flag=value")
    except Exception as error:  # a config file may raise anything
        _fail(_explained(error, arguments))
    return rest


def _explained(error: BaseException, arguments: list[str]) -> str:
    """Explains a parsing error, which ml_collections and absl may have wrapped, in one line."""
    causes = [error]
    while (cause := causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in reversed(causes):
        if isinstance(cause, InputError):
            return str(cause)
    return (
        _in_config_file(causes[-1], _config_path(arguments))
        or (isinstance(error, AttributeError | KeyError) and _unknown_key(arguments, str(error)))
        or str(error)
    )


def _config_path(arguments: list[str]) -> str:
    """Returns the file that ``--config`` names."""
    given = [a for a in arguments if a.startswith(("--config=", "-config="))]
    values = [a.partition("=")[2] for a in given]
    values += [b for a, b in pairwise(arguments) if a in ("--config", "-config")]
    return values[-1].partition(":")[0] if values else ""


def _in_config_file(error: BaseException, path: str) -> str:
    """Says what is wrong with the config file; empty if the error comes from elsewhere."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"--config: {error.filename}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == Path(path)]
    if lines:
        return f"--config: {path}, line {lines[-1]}: {type(error).__name__}: {error}"
    if path and "get_config" in str(error):
        problem = "has no get_config" if isinstance(error, AttributeError) else str(error)
        return f"--config: {path}: {problem}; expected a function get_config(arg)"
    return ""


def _unknown_key(arguments: list[str], message: str) -> str:
    """Says which ``--config.key`` is unknown; ml_collections names only its last part."""
    name = message.replace("\\'", "'").strip("\"'").split("'")[0]
    given = (a.lstrip("-").partition("=")[0] for a in arguments if a.startswith("--config."))
    key = next((key for key in given if name in key.split(".")), name)
    hint = message.partition("Did you mean ")[2].partition(" ")[0].strip('"')
    return f"{key}: there is no such setting" + (f"; did you mean {hint}?" if hint else "")


def _guarded(main: Callable[[], None]) -> None:
    # matplotlib logs when it first starts; orbax logs a traceback for each error that it raises
    logging.set_verbosity(logging.FATAL)

    from ssl_jax import compilation
    from ssl_jax.train.stop import Stopped

    sys.excepthook = _unless_of_a_closed_loop
    cpu.tune(bfloat16=_computes_in_bfloat16())
    compilation.cache(flags.FLAGS.compilation_cache)
    try:
        main()
    except InputError as error:
        _fail(str(error))
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(130)


def _unless_of_a_closed_loop(kind: Any, error: Any, trace: Any) -> None:
    """Prints an uncaught error, except one that a failed save reports after its loop is closed."""
    if "Event loop is closed" not in str(error):
        sys.__excepthook__(kind, error, trace)


def _computes_in_bfloat16() -> bool:
    given = getattr(flags.FLAGS, "config", None)
    network = given.get("network") if isinstance(given, ConfigDict) else None
    return getattr(network, "dtype", None) == "bfloat16"


def _fail(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
