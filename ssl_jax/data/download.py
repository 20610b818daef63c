"""Downloads files, and shows how far that or other work on a large file has come."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import urlopen

from rich.console import Console
from rich.progress import wrap_file

_CHUNK = 2**20
_SECONDS = 30  # without a byte from the server


def fetch(url: str, size: int, path: Path) -> None:
    """Downloads a file, and stops once it is larger than expected.

    Args:
      url: where the file is.
      size: the bytes that it should have; the caller checks it.
      path: the file to write, which must not exist yet.

    Raises:
      OSError: there is no connection, it broke, the server refused, or the file cannot be written.
      HTTPException: the server does not speak HTTP.
    """
    try:
        with (
            urlopen(url, timeout=_SECONDS) as response,
            shown(response, size, f"downloading {path.name}") as source,
            path.open("xb") as target,
        ):
            while target.tell() <= size and (chunk := source.read(_CHUNK)):
                target.write(chunk)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise OSError(str(error)) from error


def shown(file: BinaryIO, size: int, title: str) -> AbstractContextManager[Any]:
    """Wraps an open file of `size` bytes; a terminal shows how much of it has been read."""
    console = Console(stderr=True)
    return wrap_file(
        file,
        size,
        description=title,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
