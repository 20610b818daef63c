"""Long texts in little memory: UTF-8, in pieces that are read one at a time.

A `str` takes four bytes per character if a single one is an emoji, and what splits or encodes a
text takes many times its size.
"""

import re
from collections.abc import Iterable, Iterator

_CHARACTERS = 2**12
_CUT = re.compile(r"\S(?=[ \n])")


def pieces(parts: Iterable[str], at_least: int) -> Iterator[str]:
    """Cuts a text into pieces such that no word and no run of white space is in two of them.

    A piece ends before a space or a line break that does not follow other white space, at the first
    such place after `at_least` characters. A text without any is one piece, however long it is.

    Args:
      parts: strings, which in a row are the text.
      at_least: characters in a piece. The last one may have fewer, but is never empty.
    """
    held = ""
    for part in parts:
        start, searched = 0, max(len(held) - 1, 0)
        held += part
        while cut := _CUT.search(held, max(start + at_least, searched)):
            yield held[start : cut.end()]
            start = cut.end()
        held = held[start:]
    if held:
        yield held


class Text:
    """A text. Its length is its number of characters; iterating over it yields its pieces.

    Args:
      parts: strings, which in a row are the text.

    Attributes:
      encoded: the pieces, in UTF-8.
    """

    __slots__ = ("_length", "encoded")

    def __init__(self, parts: Iterable[str]):
        self.encoded: list[bytes] = []
        self._length = 0
        for piece in pieces(parts, _CHARACTERS):
            self.encoded.append(piece.encode())
            self._length += len(piece)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return map(bytes.decode, self.encoded)

    def span(self, start: int, stop: int) -> Iterator[str]:
        """Yields the characters from `start` up to `stop`, in parts."""
        for piece in self:
            if start < len(piece) and stop > 0:
                yield piece[max(start, 0) : stop]
            start, stop = start - len(piece), stop - len(piece)
