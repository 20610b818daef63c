"""Reads documents, removes repeated paragraphs, and splits off the end of each for testing."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ssl_jax.data.files import Unreadable, reason
from ssl_jax.data.memory import slices
from ssl_jax.data.pieces import Text
from ssl_jax.data.tree import listing
from ssl_jax.errors import InputError

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_MIN_CHARACTERS = 40
_READ = 2**16


class Document(NamedTuple):
    """A text, its label or None, and how many characters of it were removed."""

    text: Text
    label: str | None
    removed: int = 0


def read(path: Path, unreadable: Unreadable) -> list[Document]:
    """Reads one UTF-8 file, or all files below a folder that end in .txt.

    A document's label is the first folder on its path below `path`. Files that cannot be read or
    are not UTF-8 are recorded as unreadable. Files that hold only white space are left out.

    Raises:
      InputError: a folder cannot be listed, too many files are unreadable, or the path is neither a
        file nor a folder.
    """
    files = (
        [path / inside for inside in listing(path, (".txt",)).paths] if path.is_dir() else [path]
    )
    if path.exists() and not (path.is_dir() or path.is_file()):
        raise InputError(f"{path}: is a device or a pipe; expected a file or a folder")
    documents = []
    for file in chain.from_iterable(slices(files, "reading text")):
        folders = file.relative_to(path).parts[:-1]
        try:
            with file.open(encoding="utf-8-sig") as opened:
                text = Text(iter(lambda: opened.read(_READ), ""))
        except UnicodeDecodeError:
            unreadable.add(file, "is not UTF-8")
            continue
        except OSError as error:
            unreadable.add(file, reason(error, file))
            continue
        if not all(map(str.isspace, text)):
            documents.append(Document(text, folders[0] if folders else None))
    return documents


def distinct(documents: Sequence[Document]) -> list[Document]:
    """Removes repeated paragraphs, so that each stays in one place only.

    A paragraph stays in the shortest document that contains it: a section keeps its text, and the
    chapter that repeats the section loses it. Differences in white space are ignored. Paragraphs
    of fewer than 40 characters, such as headings, are never removed.
    """
    seen: set[bytes] = set()
    result = list(documents)
    shortest_first = sorted(range(len(result)), key=lambda index: len(result[index].text))
    for index in chain.from_iterable(slices(shortest_first, "comparing paragraphs")):
        before = result[index].text
        after = Text(_without(before, seen))
        result[index] = result[index]._replace(text=after, removed=len(before) - len(after))
    return result


def cut(text: Text) -> tuple[Text, Text]:
    """Cuts a text in two; the second part is between a fifth and a tenth of it.

    The cut is at the end of a paragraph if one ends in that range, else of a line, else of a word,
    else exactly at four fifths.
    """
    earliest, latest = len(text) * 4 // 5, len(text) * 9 // 10
    first, second = earliest, earliest
    between = "".join(text.span(earliest, latest + 2))
    for separator in ("\n\n", "\n", " "):
        if -1 < (at := between.find(separator)) <= latest - earliest:
            first, second = earliest + at, earliest + at + len(separator)
            break
    return Text(text.span(0, first)), Text(text.span(second, len(text)))


def _without(text: Text, seen: set[bytes]) -> Iterator[str]:
    """Yields a text, in parts, without the paragraphs in `seen`; adds the others to `seen`."""
    separator = ""
    for paragraph in _paragraphs(text):
        digest = _digest(paragraph)
        if digest in seen:
            continue
        if digest is not None:
            seen.add(digest)
        yield separator
        yield from paragraph
        separator = "\n\n"


def _paragraphs(text: Text) -> Iterator[Text]:
    """Splits a text at its empty lines, none of which is in two pieces."""

    def numbered() -> Iterator[tuple[int, str]]:
        number = 0
        for piece in text:
            for index, part in enumerate(_PARAGRAPH_END.split(piece)):
                number += index > 0
                yield number, part

    for _, parts in groupby(numbered(), itemgetter(0)):
        yield Text(part for _, part in parts)


def _digest(paragraph: Text) -> bytes | None:
    """Hashes a paragraph's words; returns None if there are too few to remove it."""
    digest, length = hashlib.blake2b(digest_size=16), -1
    for piece in paragraph:
        if words := " ".join(piece.split()):
            digest.update(f" {words}".encode())
            length += 1 + len(words)
    return digest.digest() if length >= _MIN_CHARACTERS else None
