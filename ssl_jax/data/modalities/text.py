"""Text: ``{"tokens": int32 [t]}``, windows of tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
from jax import ShapeDtypeStruct
from ml_collections import ConfigDict

from ssl_jax.data import tokeniser
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.modalities.base import Modality
from ssl_jax.data.text import ASSET
from ssl_jax.errors import InputError


def _example(data: ConfigDict) -> dict[str, ShapeDtypeStruct]:
    return {"tokens": ShapeDtypeStruct((data.tokens,), np.int32)}


def _read(texts: Sequence[str], data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Reads the first window of tokens of each text.

    Raises:
      InputError: the input is not a list of strings, or a string cannot be encoded as UTF-8.
    """
    is_list = isinstance(texts, list | tuple | np.ndarray) and len(texts) > 0
    if not is_list or not all(isinstance(x, str) and _is_utf8(x) for x in texts):
        shown = " ".join(repr(texts).split())
        raise InputError(f"texts: {shown:.60}; expected a list of str that UTF-8 can encode")
    return Arrays({"tokens": tokeniser.encode(assets[ASSET], texts, data.tokens)})


def _is_utf8(text: str) -> bool:
    """Returns whether UTF-8 can encode the text: it cannot encode lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


TEXT = Modality(_example, _read, "token counts")
