"""Documents: reading them, keeping each paragraph once, and cutting off a part to test on."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssl_jax.data.files import Unreadable
from ssl_jax.data.tree import files_below
from ssl_jax.errors import InputError

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SHORTEST = 40


class Document(NamedTuple):
    """A text, and its label or None."""

    text: str
    label: str | None


def read(path: Path, unreadable: Unreadable) -> list[Document]:
    """The documents of a UTF-8 file, or of all files ending in txt below a folder.

    A document's label is the first folder on its path below `path`. A file that cannot be read or
    is not UTF-8 is recorded as unreadable; one without a word is left out.

    Raises:
      InputError: a folder cannot be listed, too many files are unreadable, or the path is neither a
        file nor a folder.
    """
    files = files_below(path, (".txt",)) if path.is_dir() else [path]
    if path.exists() and not (path.is_dir() or path.is_file()):
        raise InputError(f"{path}: is a device or a pipe; expected a file or a folder")
    documents = []
    for file in files:
        folders = file.relative_to(path).parts[:-1]
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            unreadable.add(file)
            continue
        if text.strip():
            documents.append(Document(text, folders[0] if folders else None))
    return documents


def distinct(documents: Sequence[Document]) -> list[Document]:
    """The same documents, with every paragraph in one place only.

    That is the shortest document that has it, so that a chapter gives way to its sections. White
    space makes no difference. Paragraphs of fewer than 40 characters, such as headings, stay.
    """
    seen: set[str] = set()
    texts = [document.text for document in documents]
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        kept = []
        for paragraph in _PARAGRAPH_END.split(texts[index]):
            plain = " ".join(paragraph.split())
            if plain not in seen:
                kept.append(paragraph)
            if len(plain) >= _SHORTEST:
                seen.add(plain)
        texts[index] = "\n\n".join(kept)
    return [document._replace(text=text) for document, text in zip(documents, texts, strict=True)]


def cut(text: str) -> tuple[str, str]:
    """A text in two: the second part is its last fifth, or down to its last tenth.

    The border is that of a paragraph if there is one, else of a line, else of a word.
    """
    earliest, latest = len(text) * 4 // 5, len(text) * 9 // 10
    for border in ("\n\n", "\n", " "):
        if -1 < (at := text.find(border, earliest)) <= latest:
            return text[:at], text[at + len(border) :]
    return text[:earliest], text[earliest:]
