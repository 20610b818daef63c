"""A long text in pieces is the same text, and no word and no white space is cut."""

import re
from itertools import pairwise

import numpy as np
import pytest

from ssl_jax.data import pieces as module
from ssl_jax.data.pieces import Text, pieces

SIGNS = ["a", "b", "9", ".", "'", " ", " ", "\n", "\t", "\u00a0", "\u3000", "é", "語", "\U0001f600"]


def random_parts(seed):
    """Returns a text in parts of 0 to 30 characters, many of them white space."""
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(SIGNS, rng.integers(31))) for _ in range(40)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("at_least", [1, 3, 50, 10_000])
def test_a_piece_ends_at_the_first_place_where_white_space_begins(seed, at_least):
    parts = random_parts(seed)
    text = "".join(parts)
    found = list(pieces(parts, at_least))
    assert found == list(pieces([text], at_least))
    assert "".join(found) == text
    assert all(found)
    for piece, following in pairwise(found):
        assert re.match(r"\S[ \n]", piece[-1] + following[0])
        assert len(piece) > at_least
        assert not re.search(r"\S[ \n]", piece[at_least:])
    assert not re.search(r"\S[ \n]", found[-1][at_least:])


@pytest.mark.parametrize("text", ["a" * 999, " \n" * 99, "語、" * 99, "  \n\n a", "x", ""])
def test_a_text_without_such_a_place_is_one_piece(text):
    for parts in ([text], list(text)):
        assert list(pieces(parts, 1)) == ([text] if text else [])


@pytest.mark.parametrize("seed", range(5))
def test_a_text_has_the_characters_of_its_parts(seed, monkeypatch):
    monkeypatch.setattr(module, "_CHARACTERS", 5)
    parts = random_parts(seed)
    plain, text = "".join(parts), Text(iter(parts))
    assert len(text) == len(plain)
    assert list(text) == list(pieces([plain], 5))
    assert len(text.encoded) > 20
    for start in range(0, len(plain), 17):
        for stop in (start, start + 1, start + 40, len(plain)):
            assert "".join(text.span(start, stop)) == plain[start:stop]


def test_a_long_text_is_kept_in_short_pieces():
    text = Text(["low lower " * 10_000])
    assert 10 < len(text.encoded) < 1000
    assert max(map(len, text.encoded)) < 10_000
