"""What the mains in ``experiments/`` share: flags, and errors as one line with exit code 2."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags
from ml_collections import ConfigDict, config_flags

from ssl_jax.errors import InputError


def define_config() -> None:
    """``--config FILE[:ARG,ARG]`` and ``--config.key=VALUE``."""
    config_flags.DEFINE_config_file("config", None, "a file of configs/, with :ARG,... behind it")


def define_workdir() -> None:
    """``--workdir FOLDER``."""
    flags.DEFINE_string("workdir", None, "the run's folder")


def run(main: Callable[[], None]) -> None:
    """Parse the command line and run ``main``.

    Bad input ends with one line and 2, a stop on request with one line and 130.
    """
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parents[1]))  # for configs.common
    logging.getLogger("absl").setLevel(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    app.run(lambda _: _guarded(main), flags_parser=_parse)


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
    """The config of ``--config`` with the command line's changes."""
    required("config")
    return flags.FLAGS.config


def _parse(arguments: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(arguments)
        if len(rest) > 1:
            raise InputError(f"{rest[1]}: is no flag; expected --flag=value")
    except (InputError, flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as e:
        _fail(str(e))
    return rest


def _guarded(main: Callable[[], None]) -> None:
    from ssl_jax.train.stop import Stopped

    try:
        main()
    except InputError as error:
        _fail(str(error))
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
