"""Lists the files of a folder tree.

Hidden files and folders (".x", "__MACOSX") are left out. Links are followed, unless they lead back
to a folder that contains them.
"""

import os
from pathlib import Path

from ssl_jax.errors import InputError


def files_below(root: Path, endings: tuple[str, ...]) -> list[Path]:
    """Lists the files with one of the endings, in upper or lower case, sorted by relative path.

    Raises:
      InputError: a folder cannot be listed.
    """
    return sorted(_walk(root, endings, ()), key=lambda path: path.relative_to(root).as_posix())


def hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is left out."""
    return name.startswith(".") or name == "__MACOSX"


def _walk(folder: Path, endings: tuple[str, ...], above: tuple[str, ...]) -> list[Path]:
    """Lists the files below a folder; `above` has the real paths of the folders that contain it."""
    real = os.path.realpath(folder)
    if real in above:
        return []
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); expected a folder that can be read"
        ) from error
    found: list[Path] = []
    for entry in entries:
        if hidden(entry.name):
            continue
        if entry.is_dir():
            found.extend(_walk(entry, endings, (*above, real)))
        elif entry.suffix.lower() in endings and entry.is_file():
            found.append(entry)
    return found
