"""Byte-pair encoding: merges checked by hand, reproducible training, and round trips."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ssl_jax.data import tokeniser

TEXT = "low low low low low lower lower newest newest newest newest newest newest widest widest zyx"
ANY = ["", "low", "naïve ☃ \U0001f600\n\t\x00", "a <|endoftext|> b", "  two  spaces \r\n"]


@pytest.fixture(scope="module")
def learned():
    return tokeniser.train([TEXT], 300)


def pieces(learned, text):
    return [tokeniser.decode(learned, [[i]])[0] for i in tokeniser.encode_whole(learned, [text])[0]]


def test_the_vocabulary_is_the_end_then_bytes_then_merges():
    vocabulary = json.loads(tokeniser.train([TEXT], 257))["model"]["vocab"]
    assert len(vocabulary) == 257
    assert vocabulary[tokeniser.END] == tokeniser.END_ID == 0
    assert tokeniser.size(tokeniser.train([TEXT], 260)) == 260


def test_the_most_frequent_pair_is_merged_first(learned):
    merges = [tuple(pair) for pair in json.loads(learned)["model"]["merges"]]
    assert merges[:2] == [("e", "s"), ("es", "t")]  # 8 times each: six "newest" and two "widest"
    assert pieces(learned, " newest") == [" newest"]
    assert pieces(learned, " lowest") == [" low", "est"]


def test_a_pair_that_occurs_once_is_not_merged(learned):
    assert tokeniser.size(learned) < 300
    assert pieces(learned, " zyx") == list(" zyx")
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


def test_ends_between_texts_are_kept_in_decoding(learned):
    low = tokeniser.encode_whole(learned, ["low"])[0].tolist()
    rows = np.array([[*low, 0, *low, 0, 0]])
    assert tokeniser.decode(learned, rows) == ["low<|endoftext|>low"]


def test_a_cut_character_is_decoded_as_a_replacement_character(learned):
    half = tokeniser.encode(learned, ["☃"], 2)
    assert tokeniser.decode(learned, half) == ["\ufffd"]
