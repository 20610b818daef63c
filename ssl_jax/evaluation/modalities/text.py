"""Text: ``{"tokens": int32 [t]}``, windows of tokens."""

import math
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, tokeniser
from ssl_jax.data.dataset import Arrays, gather
from ssl_jax.data.text import ASSET
from ssl_jax.errors import InputError
from ssl_jax.evaluation._knn import neighbours
from ssl_jax.evaluation._ngram import kneser_ney_bigram, unigram
from ssl_jax.evaluation.features import Embed
from ssl_jax.evaluation.modalities.base import Look, Modality, shown
from ssl_jax.evaluation.report import Section, Texts
from ssl_jax.methods.base import Batch

_SHOWN = 6
_NEAREST = 2


def _example(data: ConfigDict) -> dict[str, jax.ShapeDtypeStruct]:
    return {"tokens": jax.ShapeDtypeStruct((data.tokens,), np.int32)}


def _read(texts: Sequence[str], data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Texts; of each the first window of tokens is read.

    Raises:
      InputError: it is not a list of texts, or one holds half a character.
    """
    listed = isinstance(texts, list | tuple | np.ndarray) and len(texts) > 0
    if not listed or not all(isinstance(x, str) and _is_whole(x) for x in texts):
        shown = " ".join(repr(texts).split())
        raise InputError(f"texts: {shown:.60}; expected a list of str, of whole characters")
    return Arrays({"tokens": tokeniser.encode(assets[ASSET], texts, data.tokens)})


def _is_whole(text: str) -> bool:
    """Whether UTF-8 has it; a lone surrogate it has not."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def raw_input(data: ConfigDict) -> Embed:
    """How often each token occurs in a window."""

    @jax.jit
    def counts(batch: Batch) -> jax.Array:
        def of_one(tokens: jax.Array) -> jax.Array:
            return jnp.zeros(data.vocabulary).at[tokens].add(1.0)

        return jax.vmap(of_one)(batch["tokens"])

    return counts


def _scores(data: Dataset, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Perplexities on the test windows: of a method that scores ``nats``, and of counting."""
    if "test_nats" not in values:
        return
    train, test = (
        gather(source, np.arange(len(source)))["tokens"] for source in (data.pretrain, data.test)
    )
    vocabulary = data.facts["vocabulary"]
    yield "test_perplexity", math.exp(values["test_nats"])
    yield "unigram_perplexity", math.exp(unigram(train, test, vocabulary))
    yield "bigram_perplexity", math.exp(kneser_ney_bigram(train, test, vocabulary))


def _sections(look: Look) -> list[Section]:
    return [*_made(look), _nearest(look)]


def _made(look: Look) -> Iterator[Texts]:
    rows = np.unique(np.linspace(0, len(look.data.test) - 1, _SHOWN).astype(int))
    batch = gather(look.data.test, rows)
    decoded = {
        title: tokeniser.decode(look.data.assets[ASSET], tokens)
        for title, tokens in shown(look, batch).items()
    }
    if decoded:
        groups = [
            list(zip(decoded, texts, strict=True)) for texts in zip(*decoded.values(), strict=True)
        ]
        yield Texts(
            "What the method makes of it",
            f"Each block: a test text, of which are shown {', '.join(decoded)}.",
            groups,
        )


def _nearest(look: Look) -> Texts:
    test, train = look.findings.test, look.findings.train
    rows = np.unique(np.linspace(0, len(test.z) - 1, _SHOWN).astype(int))
    found, _ = neighbours(train.z, test.z[rows], min(_NEAREST, len(train.z)))

    def texts(windows: np.ndarray, labels: np.ndarray | None) -> list[tuple[str, str]]:
        decoded = tokeniser.decode(look.data.assets[ASSET], windows)
        if labels is None or look.data.label_names is None:
            return [("", text) for text in decoded]
        return [(look.data.label_names[y], x) for x, y in zip(decoded, labels, strict=True)]

    groups = []
    for row, near in zip(rows, np.asarray(found), strict=True):
        query = gather(look.data.test, row[None])["tokens"]
        others = gather(look.findings.probed, near)["tokens"]
        labels = None if test.y is None or train.y is None else (test.y[row[None]], train.y[near])
        groups.append(
            [
                *texts(query, labels and labels[0]),
                *texts(others, labels and labels[1]),
            ]
        )
    return Texts(
        "Nearest neighbours",
        "Each block: a test text, and below it the training texts nearest to it by the features.",
        groups,
    )


TEXT = Modality(_example, _read, raw_input, "token counts", _scores, _sections)
