"""Lists the files of a folder tree.

Hidden files and folders (".x", "__MACOSX") are left out. Links are followed after everything else,
and only to what is not listed yet, so that each file is listed once.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssl_jax.errors import InputError

NO_ENDING, DEAD_LINK = "no ending", "a link that leads nowhere"
LISTED = "a link to what is listed already"
_NAMED = 1000  # of a kind that is left out
_KINDS = 6  # in a note


class Listing(NamedTuple):
    """The files of a folder tree, as relative paths with "/".

    Attributes:
      paths: those with one of the endings, sorted.
      left_out: how many others there are, by ending in lower case, ``NO_ENDING``, ``DEAD_LINK`` or
        ``LISTED``.
      named: the first 1,000 of each kind that is left out, with the kind.
    """

    paths: list[str]
    left_out: Counter[str]
    named: dict[str, str]


def listing(root: str | Path, endings: tuple[str, ...]) -> Listing:
    """Lists the files with one of the endings, in upper or lower case, and counts the others.

    It holds one short text per file, so a million files fit in about 100 MB.

    Raises:
      InputError: a folder cannot be listed.
    """
    found = Listing([], Counter(), {})
    folders: set[str] = set()
    links: list[tuple[str, str]] = []
    linked: set[str] = set()

    def leave_out(path: str, kind: str) -> None:
        found.left_out[kind] += 1
        if found.left_out[kind] <= _NAMED:
            found.named[path] = kind

    def add(path: str) -> None:
        if _ending(path) in endings:
            found.paths.append(path)
        else:
            leave_out(path, _ending(path) or NO_ENDING)

    def walk(folder: str, inside: str) -> None:
        real = os.path.realpath(folder)
        if real in folders:
            return
        folders.add(real)
        for entry in _entries(folder):
            path = inside + entry.name
            if hidden(entry.name):
                continue
            if entry.is_symlink():
                links.append((entry.path, path))
            elif entry.is_dir():
                walk(entry.path, f"{path}/")
            elif entry.is_file():
                add(path)

    def is_listed(real: str) -> bool:
        folder, name = os.path.split(real)
        return real in linked or (
            folder in folders and _ending(name) in endings and not hidden(name)
        )

    walk(str(root), "")
    to_files = []
    for link, path in links:  # a folder that a link leads to may add more
        real = os.path.realpath(link)
        if not os.path.isdir(real):
            to_files.append((real, path))
        elif real in folders:
            leave_out(path, LISTED)
        else:
            walk(link, f"{path}/")
    for real, path in to_files:
        if not os.path.exists(real):
            leave_out(path, DEAD_LINK)
        elif is_listed(real):
            leave_out(path, LISTED)
        elif os.path.isfile(real):
            linked.add(real)
            add(path)
    found.paths.sort()
    return found


def note(left_out: Counter[str], endings: Sequence[str]) -> str:
    """Says how many files of each kind were left out; empty if none were."""
    if not left_out:
        return ""
    expected = ", ".join(endings)
    return (
        f"{left_out.total():,} files are not read ({most_common(left_out)}); "
        f"expected endings: {expected}"
    )


def most_common(counts: Counter[str]) -> str:
    """Returns what was counted and how often, in one line, the most frequent first."""
    kinds = [f"{printable(kind)}: {n:,}" for kind, n in counts.most_common(_KINDS)]
    return ", ".join([*kinds, "..."] if len(counts) > _KINDS else kinds)


def hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is left out."""
    return name.startswith(".") or name == "__MACOSX"


def printable(name: str) -> str:
    """Returns a file's name as text that can be printed and stored, even if it is not UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"{printable(folder)}: cannot be listed ({error.strerror}); "
            "expected a folder that can be read"
        ) from error
