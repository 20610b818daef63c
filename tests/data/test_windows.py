"""Windows of a stream of tokens: where they start, and what is read."""

import numpy as np
import pytest

from ssl_jax.data import pieces, tokeniser
from ssl_jax.data.dataset import Subset, gather, labels_of
from ssl_jax.data.pieces import Text
from ssl_jax.data.windows import Stream, Windows, encode

TEXTS = ["low lower lowest\n\nlow", "", "newest <|endoftext|> it's  \n  new", " "]


@pytest.mark.parametrize("characters", [1, 2**12])
def test_a_stream_is_all_texts_with_the_end_between_them(characters, monkeypatch):
    monkeypatch.setattr(pieces, "_CHARACTERS", characters)
    learned = tokeniser.train(TEXTS, 280)
    whole = [ids.tolist() for ids in tokeniser.encode_whole(learned, TEXTS)]
    stream = encode(learned, [Text([text]) for text in TEXTS])
    assert stream.tokens.dtype == np.uint16
    assert stream.tokens.tolist() == [*whole[0], 0, *whole[1], 0, *whole[2], 0, *whole[3]]
    assert [stream.tokens[start:stop].tolist() for start, stop in stream.spans] == whole


def test_a_large_vocabulary_takes_four_bytes_per_token(monkeypatch):
    learned = tokeniser.train(TEXTS, 280)
    monkeypatch.setattr(tokeniser, "size", lambda _: 2**16 + 1)
    monkeypatch.setattr(tokeniser, "encode_whole", lambda _, texts: [np.array([2**16], np.int32)])
    assert encode(learned, [Text(["low"])]).tokens.tolist() == [2**16]


def test_consecutive_windows_without_an_incomplete_last_one():
    stream = Stream(np.array([5, 6, 7, 0, 8, 0, 9, 4], np.uint16), [(0, 3), (4, 5), (6, 8)])
    for length, expected in {
        3: [[5, 6, 7], [0, 8, 0]],
        4: [[5, 6, 7, 0], [8, 0, 9, 4]],
        9: [],
    }.items():
        starts = stream.packed(length)
        assert [stream.tokens[s : s + length].tolist() for s in starts] == expected
    assert [starts.tolist() for starts in stream.inside(1)] == [[0, 1, 2], [4], [6, 7]]
    assert [starts.tolist() for starts in stream.inside(2)] == [[0], [], [6]]
    assert [starts.tolist() for starts in stream.inside(3)] == [[0], [], []]


@pytest.mark.parametrize("labels", [None, np.array([2, 0, 1], np.int32)])
def test_examples_are_read_one_by_one_and_in_batches(labels):
    windows = Windows(np.arange(60_000, 60_009, dtype=np.uint16), np.array([0, 4, 6]), 3, labels)
    assert len(windows) == 3
    assert labels_of(windows) is labels
    expected = np.array([[60_006, 60_007, 60_008], [60_000, 60_001, 60_002]], np.int32)
    for batch in (
        windows.take(np.array([2, 0])),
        gather(Subset(windows, np.array([1, 2, 0])), np.array([1, 2])),
        {name: np.stack([windows[2][name], windows[0][name]]) for name in windows[0]},
    ):
        assert batch.keys() == ({"tokens"} if labels is None else {"tokens", "label"})
        assert batch["tokens"].dtype == np.int32
        np.testing.assert_array_equal(batch["tokens"], expected)
        if labels is not None:
            assert batch["label"].dtype == np.int32
            assert batch["label"].tolist() == [1, 2]
