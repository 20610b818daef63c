"""Paths as people write them."""

import os
from pathlib import Path

from ssl_jax.errors import InputError


def expanded(path: str | os.PathLike[str]) -> Path:
    """Returns a path in which a leading "~" or "~name" is the home folder.

    The shell does not expand `--workdir=~/runs`.

    Raises:
      InputError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: there is no such user; expected ~ or a full path") from error
