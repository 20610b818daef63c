"""Byte-level byte-pair encoding: turns text into token ids and back.

Every byte is a token, so any text can be encoded. Pairs of tokens that are frequent inside words
become tokens of their own. This follows GPT-2 (Radford et al. 2019, section 2.2), which builds on
Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword Units, algorithm 1,
https://arxiv.org/abs/1508.07909.

A tokenizer is passed around as JSON, in the format of Hugging Face's `tokenizers`.

Its words are GPT-2's: letters, digits or other signs in a row, with the space before them; endings
such as 's; and white space, without a last space before a word. None is in two `pieces` of a text,
so learning from or encoding the pieces gives the same result as the text.
"""

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ssl_jax.data.pieces import pieces

END = "<|endoftext|>"
END_ID = 0
_MIN_FREQUENCY = 2


def train(texts: Iterable[str], vocabulary: int) -> str:
    """Learns a tokenizer from texts.

    Args:
      texts: the texts to learn from, or their `pieces`; the same texts give the same tokenizer.
      vocabulary: number of tokens, at least 257: `END`, which has id 0, the 256 bytes, and merged
        pairs. The result has fewer if no remaining pair occurs twice.

    Returns:
      The tokenizer's JSON.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()


def size(tokeniser_json: str) -> int:
    """Returns the number of tokens of a tokenizer."""
    return _load(tokeniser_json).get_vocab_size()


def encode_whole(tokeniser_json: str, texts: Sequence[str]) -> list[Int[np.ndarray, " _"]]:
    """Encodes each text in full, as int32 arrays of different lengths.

    This takes about a hundred bytes per token of all texts; `pieces` cuts a long one.
    """
    encodings = _load(tokeniser_json).encode_batch_fast(list(texts))
    return [np.array(encoding.ids, np.int32) for encoding in encodings]


def encode(tokeniser_json: str, texts: Sequence[str], tokens: int) -> Int[np.ndarray, "n t"]:
    """Encodes the first `tokens` tokens of each text; shorter texts are padded with `END`.

    Args:
      tokeniser_json: the result of `train`.
      texts: n texts; where one contains `END` literally, it is encoded like any other text.
      tokens: the length t of a row.

    Returns:
      int32 [n, t].
    """
    longest = max(map(len, _load(tokeniser_json).get_vocab()))  # in bytes, of all tokens
    heads = [next(pieces([text], tokens * longest), "") for text in texts]
    encoded = np.full((len(texts), tokens), END_ID, np.int32)
    for row, token_ids in zip(encoded, encode_whole(tokeniser_json, heads), strict=True):
        row[: len(token_ids)] = token_ids[:tokens]
    return encoded


def decode(tokeniser_json: str, ids: Int[np.ndarray, "n t"]) -> list[str]:
    """Decodes each row of token ids, int [n, t], into text.

    `END` is dropped where it pads a row and kept where it separates texts. A character that is cut
    by the edge of the window becomes U+FFFD.
    """
    ids = np.asarray(ids)
    lengths = [np.max(np.flatnonzero(row != END_ID), initial=-1) + 1 for row in ids]
    rows = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
    return _load(tokeniser_json).decode_batch(rows, skip_special_tokens=False)


@functools.lru_cache(maxsize=1)
def _load(tokeniser_json: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokeniser_json)
    tokenizer.encode_special_tokens = True
    return tokenizer
