"""Reads documents, removes repeated paragraphs, and splits off the end of each for testing."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssl_jax.data.files import Unreadable, reason
from ssl_jax.data.tree import listing
from ssl_jax.errors import InputError

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_MIN_CHARACTERS = 40


class Document(NamedTuple):
    """A text and its label, or None."""

    text: str
    label: str | None


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
    for file in files:
        folders = file.relative_to(path).parts[:-1]
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            unreadable.add(file, "is not UTF-8")
            continue
        except OSError as error:
            unreadable.add(file, reason(error, file))
            continue
        if text.strip():
            documents.append(Document(text, folders[0] if folders else None))
    return documents


def distinct(documents: Sequence[Document]) -> list[Document]:
    """Removes repeated paragraphs, so that each stays in one place only.

    A paragraph stays in the shortest document that contains it: a section keeps its text, and the
    chapter that repeats the section loses it. Differences in white space are ignored. Paragraphs
    of fewer than 40 characters, such as headings, are never removed.
    """
    seen: set[str] = set()
    texts = [document.text for document in documents]
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        kept = []
        for paragraph in _PARAGRAPH_END.split(texts[index]):
            plain = " ".join(paragraph.split())
            if plain not in seen:
                kept.append(paragraph)
            if len(plain) >= _MIN_CHARACTERS:
                seen.add(plain)
        texts[index] = "\n\n".join(kept)
    return [document._replace(text=text) for document, text in zip(documents, texts, strict=True)]


def cut(text: str) -> tuple[str, str]:
    """Cuts a text in two; the second part is between a fifth and a tenth of it.

    The cut is at the end of a paragraph if one ends in that range, else of a line, else of a word,
    else exactly at four fifths.
    """
    earliest, latest = len(text) * 4 // 5, len(text) * 9 // 10
    for separator in ("\n\n", "\n", " "):
        if -1 < (at := text.find(separator, earliest)) <= latest:
            return text[:at], text[at + len(separator) :]
    return text[:earliest], text[earliest:]
