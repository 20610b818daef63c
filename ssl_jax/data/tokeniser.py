"""Byte-level byte-pair encoding: text to numbers and back.

As in GPT-2 (Radford et al. 2019, section 2.2) on top of Sennrich et al. 2016, Neural Machine
Translation of Rare Words with Subword Units, algorithm 1, https://arxiv.org/abs/1508.07909: every
byte is a token, so any text can be encoded, and pairs that are frequent inside words become tokens.
A tokeniser is its JSON, of Hugging Face's `tokenizers`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"
END_ID = 0
_MIN_FREQUENCY = 2


def train(texts: Sequence[str], vocabulary: int) -> str:
    """Learns the tokens of texts.

    Args:
      texts: what is counted; the same texts give the same tokeniser.
      vocabulary: how many tokens, from 257: `END`, which is number 0, the 256 bytes, and merged
        pairs. There are fewer where no pair is left that occurs twice.

    Returns:
      The tokeniser's JSON.
    """
    tokeniser = Tokenizer(models.BPE())
    tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokeniser.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokeniser.train_from_iterator(texts, trainer)
    return tokeniser.to_str()


def size(tokeniser_json: str) -> int:
    """How many tokens a tokeniser knows."""
    return _load(tokeniser_json).get_vocab_size()


def encode_whole(tokeniser_json: str, texts: Sequence[str]) -> list[Int[np.ndarray, " _"]]:
    """Every text as int32 of the length it has."""
    encodings = _load(tokeniser_json).encode_batch(list(texts))
    return [np.array(encoding.ids, np.int32) for encoding in encodings]


def encode(tokeniser_json: str, texts: Sequence[str], tokens: int) -> Int[np.ndarray, "n t"]:
    """The first `tokens` tokens of every text, filled up with `END` where there are fewer.

    Args:
      tokeniser_json: of `train`.
      texts: n of them; an `END` that is spelled out in one is encoded as any other text.
      tokens: t.

    Returns:
      int32 [n, t].
    """
    encoded = np.full((len(texts), tokens), END_ID, np.int32)
    for row, numbers in zip(encoded, encode_whole(tokeniser_json, texts), strict=True):
        row[: len(numbers)] = numbers[:tokens]
    return encoded


def decode(tokeniser_json: str, ids: Int[np.ndarray, "n t"]) -> list[str]:
    """The text of every row, int [n, t]; without the `END`s that fill it up, with those between.

    A character of which a window holds some bytes only becomes U+FFFD.
    """
    ids = np.asarray(ids)
    lengths = [np.max(np.flatnonzero(row != END_ID), initial=-1) + 1 for row in ids]
    rows = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
    return _load(tokeniser_json).decode_batch(rows, skip_special_tokens=False)


def _load(tokeniser_json: str) -> Tokenizer:
    tokeniser = Tokenizer.from_str(tokeniser_json)
    tokeniser.encode_special_tokens = True
    return tokeniser
