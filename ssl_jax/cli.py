"""What the mains in ``experiments/`` share: flags, and errors as one line with exit code 2."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from ssl_jax import cpu
from ssl_jax.errors import InputError


def define_config() -> None:
    """``--config FILE[:ARG,ARG]`` and ``--config.key=VALUE``."""
    config_flags.DEFINE_config_file("config", None, "a file of configs/, with :ARG,... behind it")


def define_workdir() -> None:
    """``--workdir FOLDER``."""
    flags.DEFINE_string("workdir", None, "the run's folder")


def run(main: Callable[..., None], words: Sequence[str] = (), several: str = "") -> None:
    """Parse the command line and run ``main`` with what is given beside the flags.

    Bad input ends with one line and 2, a stop on request with one line and 130.

    Args:
      main: the work.
      words: one of these must be given; if there are none,
      several: at least one must be given of what this says in words, such as "folders"; if it says
        nothing, nothing may be given.
    """
    flags.DEFINE_boolean("compilation_cache", True, "keep what is compiled for the next start")
    _make_importable("configs", Path(sys.argv[0]).resolve().parents[1])
    app.run(
        lambda rest: _guarded(lambda: main(*rest[1:])),
        flags_parser=partial(_parse, words=words, several=several),
    )


def _make_importable(package: str, folder: Path) -> None:
    """Makes one package of a folder importable, for ``from configs import common``.

    With the whole folder on ``sys.path`` a file of a downloaded run could be imported too.
    """
    if (folder / package).is_dir():
        spec = ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations = [str(folder / package)]
        sys.modules[package] = module_from_spec(spec)


def required(name: str) -> str:
    """The value of a flag that must be given.

    Raises:
      InputError: it was not.
    """
    value = flags.FLAGS[name].value
    if not value:
        raise InputError(f"--{name}: is missing; expected a value")
    return value


def config() -> ConfigDict:
    """The config of ``--config`` with the command line's changes.

    Raises:
      InputError: the flag or its file is missing.
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
            given = " ".join(rest[1:]) or "nothing"
            raise InputError(f"{given}: is unknown; expected one of {', '.join(words)}")
        if several and len(rest) == 1:
            raise InputError(f"nothing: is given; expected {several}")
        if not words and not several and len(rest) > 1:
            raise InputError(f"{rest[1]}: is no flag; expected --flag=value")
    except (AttributeError, KeyError) as error:
        _fail(_unknown_key(arguments, str(error)))
    except (flags.Error, TypeError, ValueError) as error:
        _fail(str(error).rpartition("InputError: ")[2])  # ml_collections wraps a traceback's text
    return rest


def _unknown_key(arguments: list[str], message: str) -> str:
    """Which ``--config.key`` it was; ml_collections names the last part only."""
    name = message.replace("\\'", "'").strip("\"'").split("'")[0]
    given = (a.lstrip("-").partition("=")[0] for a in arguments if a.startswith("--config."))
    key = next((key for key in given if name in key.split(".")), name)
    hint = message.partition("Did you mean ")[2].partition(" ")[0].strip('"')
    return f"{key}: there is no such setting" + (f"; did you mean {hint}?" if hint else "")


def _guarded(main: Callable[[], None]) -> None:
    # before matplotlib logs its first start; orbax logs a traceback for every error that it raises
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
    """Prints an uncaught error, except what writers of a failed save report to orbax too late."""
    if "Event loop is closed" not in str(error):
        sys.__excepthook__(kind, error, trace)


def _computes_in_bfloat16() -> bool:
    given = getattr(flags.FLAGS, "config", None)
    network = given.get("network") if isinstance(given, ConfigDict) else None
    return getattr(network, "dtype", None) == "bfloat16"


def _fail(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
