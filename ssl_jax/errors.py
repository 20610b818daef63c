"""The exception for errors that the user has to fix."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Bad input, or a disk that cannot be written: one line for the person who runs it.

    The line names the key or file, the value, and what was expected. The command line prints it
    without a traceback and exits with 2.
    """


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into an InputError that names the file.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
