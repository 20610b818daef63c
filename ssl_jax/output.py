"""Writes files completely or not at all, with errors that name the file."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ssl_jax.errors import InputError


def console(*, quiet: bool = False, width: int | None = None) -> Console:
    """Builds the console of a command: it prints question marks where the output has no character.

    Windows writes redirected output in an encoding of 256 characters, such as cp1252.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, quiet=quiet, width=width)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError in its body into an InputError that names the file.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file atomically; a link is replaced, not followed.

    Raises:
      InputError: the file cannot be written; an earlier file of that name is unchanged.
    """
    part = path.with_name(path.name + ".part")
    with writing(path):
        part.unlink(missing_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
