"""Lists the files of a folder tree.

Hidden files and folders (".x", "__MACOSX") are left out. Links are followed, unless they lead back
to a folder that contains them.
"""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ssl_jax.errors import InputError

NO_ENDING, DEAD_LINK = "no ending", "a link that leads nowhere"


class Listing(NamedTuple):
    """The files of a folder tree.

    Attributes:
      paths: those with one of the endings, sorted by relative path.
      left_out: how many others there are, by ending in lower case, ``NO_ENDING`` or ``DEAD_LINK``.
    """

    paths: list[Path]
    left_out: Counter[str]


def listing(root: Path, endings: tuple[str, ...]) -> Listing:
    """Lists the files with one of the endings, in upper or lower case, and counts the others.

    Raises:
      InputError: a folder cannot be listed.
    """
    found = Listing([], Counter())
    _walk(root, endings, (), found)
    found.paths.sort(key=lambda path: path.relative_to(root).as_posix())
    return found


def files_below(root: Path, endings: tuple[str, ...]) -> list[Path]:
    """Returns the paths of ``listing``."""
    return listing(root, endings).paths


def hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is left out."""
    return name.startswith(".") or name == "__MACOSX"


def _walk(folder: Path, endings: tuple[str, ...], above: tuple[str, ...], found: Listing) -> None:
    """Adds the files below a folder; `above` has the real paths of the folders that contain it."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); expected a folder that can be read"
        ) from error
    for entry in entries:
        ending = entry.suffix.lower()
        if hidden(entry.name):
            continue
        if entry.is_dir():
            _walk(entry, endings, (*above, real), found)
        elif not entry.is_file():
            found.left_out[DEAD_LINK] += entry.is_symlink()
        elif ending in endings:
            found.paths.append(entry)
        else:
            found.left_out[ending or NO_ENDING] += 1
