"""Writes files completely or not at all, with errors that name the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssl_jax.errors import InputError


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
