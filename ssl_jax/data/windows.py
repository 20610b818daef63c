"""Texts as one stream of tokens, and windows of it as a source."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.lib.stride_tricks import sliding_window_view

from ssl_jax.data import tokeniser
from ssl_jax.data.dataset import Example
from ssl_jax.data.memory import slices
from ssl_jax.data.pieces import Text


class Stream(NamedTuple):
    """Texts in a row, with `END` between them.

    Attributes:
      tokens: uint16 [_], or uint32 if the tokenizer has too many tokens for that.
      spans: where each text starts and stops.
    """

    tokens: Int[np.ndarray, " _"]
    spans: list[tuple[int, int]]

    def packed(self, length: int) -> Int[np.ndarray, " n"]:
        """Returns where consecutive windows of `length` tokens start."""
        return _starts(0, len(self.tokens), length)

    def inside(self, length: int) -> list[Int[np.ndarray, " _"]]:
        """Returns where consecutive windows start that lie inside one text, for each text."""
        return [_starts(start, stop, length) for start, stop in self.spans]


def encode(tokeniser_json: str, texts: Sequence[Text]) -> Stream:
    """Encodes texts piece by piece."""
    encoded = (
        ids
        for batch in batches(texts, "encoding text")
        for ids in tokeniser.encode_whole(tokeniser_json, batch)
    )
    tokens = array("H" if tokeniser.size(tokeniser_json) <= 2**16 else "I")
    spans: list[tuple[int, int]] = []
    for text in texts:
        if spans:
            tokens.append(tokeniser.END_ID)
        start = len(tokens)
        for ids in islice(encoded, len(text.encoded)):
            tokens.frombytes(ids.astype(tokens.typecode).tobytes())
        spans.append((start, len(tokens)))
    return Stream(np.asarray(tokens), spans)


def batches(texts: Sequence[Text], title: str) -> Iterator[list[str]]:
    """Yields the pieces of all texts, some at a time; shows slow progress."""
    encoded = [piece for text in texts for piece in text.encoded]
    for part in slices(encoded, title):
        yield [piece.decode() for piece in part]


class Windows:
    """A source of windows of one stream of tokens.

    Args:
      stream: the tokens, whole numbers [_].
      starts: where the windows start, int [n].
      length: the number of tokens in a window, t.
      labels: int32 [n], or None.
    """

    def __init__(
        self,
        stream: Int[np.ndarray, " _"],
        starts: Int[np.ndarray, " n"],
        length: int,
        labels: Int[np.ndarray, " n"] | None = None,
    ):
        self.stream = stream
        self.starts = starts
        self.length = length
        self.labels = labels

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Example:
        return {name: column[0] for name, column in self.take(np.array([index])).items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m]: `{"tokens": int32 [m, t], ...}`."""
        windows = sliding_window_view(self.stream, self.length)[self.starts[indices]]
        batch = {"tokens": windows.astype(np.int32)}
        return batch if self.labels is None else batch | {"label": self.labels[indices]}


def _starts(start: int, stop: int, length: int) -> Int[np.ndarray, " _"]:
    return np.arange(start, stop - length + 1, length)
