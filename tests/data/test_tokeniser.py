"""Byte-pair encoding: merges checked by hand, reproducible training, and round trips."""

import json
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from ssl_jax.data import tokeniser
from ssl_jax.data.pieces import pieces

TEXT = "low low low low low lower lower newest newest newest newest newest newest widest widest zyx"
ANY = ["", "low", "naïve ☃ \U0001f600\n\t\x00", "a <|endoftext|> b", "  two  spaces \r\n"]

SIGNS = [*"ab9.'\n\t\x1c\u00a0\u180e\u200b\u3000\u0301é語\U0001f600", " ", " ", "'s", "'ll", "\r\n"]
HARD = [
    "It's what we'll  say: 'tis\n\n  1,234 times,\n \n don't\t 'll.  \n" * 3,
    "a <|endoftext|> b<|endoftext|> \n<|endoftext|>\n\n<|end oftext|>" * 3,
    "naïve ☃ \U0001f600\n 日本語、\u3000日本\n\n語  e\u0301 \u00a0 x\u00a0 y\u2028 z\x1c \x1c  "
    * 3,
    *("".join(np.random.default_rng(seed).choice(SIGNS, 400)) for seed in range(8)),
]


@pytest.fixture(scope="module")
def learned():
    return tokeniser.train([TEXT], 300)


def tokens_of(learned, text):
    return [tokeniser.decode(learned, [[i]])[0] for i in tokeniser.encode_whole(learned, [text])[0]]


def test_the_vocabulary_is_the_end_then_bytes_then_merges():
    vocabulary = json.loads(tokeniser.train([TEXT], 257))["model"]["vocab"]
    assert len(vocabulary) == 257
    assert vocabulary[tokeniser.END] == tokeniser.END_ID == 0
    assert tokeniser.size(tokeniser.train([TEXT], 260)) == 260


def test_the_most_frequent_pair_is_merged_first(learned):
    merges = [tuple(pair) for pair in json.loads(learned)["model"]["merges"]]
    assert merges[:2] == [("e", "s"), ("es", "t")]  # 8 times each: six "newest" and two "widest"
    assert tokens_of(learned, " newest") == [" newest"]
    assert tokens_of(learned, " lowest") == [" low", "est"]


def test_a_pair_that_occurs_once_is_not_merged(learned):
    assert tokeniser.size(learned) < 300
    assert tokens_of(learned, " zyx") == list(" zyx")
    again = tokeniser.train([TEXT], tokeniser.size(learned))
    assert again == learned


def test_training_gives_the_same_tokenizer_in_another_process(learned):
    code = f"from ssl_jax.data.tokeniser import train; print(train([{TEXT!r}], 300))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == learned + "\n", done.stderr


def test_decoding_restores_any_text(learned):
    encoded = tokeniser.encode(learned, ANY, 80)
    assert encoded.shape == (len(ANY), 80)
    assert encoded.dtype == np.int32
    assert tokeniser.decode(learned, encoded) == ANY


def test_a_literal_end_in_a_text_is_encoded_as_text(learned):
    (token_ids,) = tokeniser.encode_whole(learned, [tokeniser.END])
    assert tokeniser.END_ID not in token_ids


def test_encoding_truncates_and_pads(learned):
    whole = tokeniser.encode_whole(learned, [TEXT])[0]
    encoded = tokeniser.encode(learned, [TEXT, "low", ""], 4)
    np.testing.assert_array_equal(encoded[0], whole[:4])
    low = tokeniser.encode_whole(learned, ["low"])[0].tolist()
    assert encoded[1].tolist() == [*low, 0, 0, 0][:4]
    assert not encoded[2].any()
    assert tokeniser.encode(learned, [], 4).shape == (0, 4)


def test_a_word_begins_at_a_space_or_line_break_after_any_other_character():
    """Where a text is cut into pieces, Python decides what is white space."""
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    characters = [chr(code) for code in range(0xD800)]  # all white space is among them
    kept = [character for character in characters if not character.isspace()]
    for space in " \n":
        text = "".join(f"{character}{space}{space}a" for character in kept)
        starts = {start for _, (start, _) in words.pre_tokenize_str(text)}
        assert starts >= set(range(1, len(text), 4))


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("at_least", [1, 2, 5, 40])
def test_pieces_are_learned_and_encoded_as_the_whole_text(text, at_least):
    cut = list(pieces([text], at_least))
    assert len(cut) > 2
    for vocabulary in (257, 300):
        learned = tokeniser.train([text], vocabulary)
        assert tokeniser.train(iter(cut), vocabulary) == learned
        whole = tokeniser.encode_whole(learned, [text])[0]
        np.testing.assert_array_equal(np.concatenate(tokeniser.encode_whole(learned, cut)), whole)


@pytest.mark.parametrize("text", HARD)
def test_the_first_tokens_are_those_of_the_whole_text(text):
    learned = tokeniser.train([text], 300)
    whole = tokeniser.encode_whole(learned, [text])[0]
    for tokens in (1, 2, 7, 30):
        np.testing.assert_array_equal(tokeniser.encode(learned, [text], tokens)[0], whole[:tokens])


def test_only_the_beginning_of_a_long_text_is_encoded(learned, monkeypatch):
    seen = []
    whole = tokeniser.encode_whole
    monkeypatch.setattr(
        tokeniser, "encode_whole", lambda j, texts: whole(j, seen.extend(texts) or texts)
    )
    tokeniser.encode(learned, [f"{TEXT} " * 1000, "low", ""], 4)
    assert len(seen[0]) < 200
    assert seen[1:] == ["low", ""]


def test_ends_between_texts_are_kept_in_decoding(learned):
    low = tokeniser.encode_whole(learned, ["low"])[0].tolist()
    rows = np.array([[*low, 0, *low, 0, 0]])
    assert tokeniser.decode(learned, rows) == ["low<|endoftext|>low"]


def test_a_cut_character_is_decoded_as_a_replacement_character(learned):
    half = tokeniser.encode(learned, ["☃"], 2)
    assert tokeniser.decode(learned, half) == ["\ufffd"]
