"""Text: ``{"tokens": int32 [t]}``, windows of tokens."""

import math
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation.features import Embed
from ssl_jax.evaluation.modalities.base import Inputs
from ssl_jax.evaluation.ngram import kneser_ney_bigram, unigram
from ssl_jax.methods.base import Batch


def raw_input(data: ConfigDict) -> Embed:
    """Builds the function that counts how often each token occurs in a window."""

    @jax.jit
    def counts(batch: Batch) -> jax.Array:
        def of_one(tokens: jax.Array) -> jax.Array:
            return jnp.zeros(data.vocabulary).at[tokens].add(1.0)

        return jax.vmap(of_one)(batch["tokens"])

    return counts


def _scores(
    data: Dataset, config: ConfigDict, values: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Yields the perplexity of a method that scores ``nats``, and those of n-gram models."""
    del config
    if "test_nats" not in values:
        return
    train, test = (
        gather(source, np.arange(len(source)))["tokens"] for source in (data.pretrain, data.test)
    )
    vocabulary = data.facts["vocabulary"]
    yield "test_perplexity", math.exp(values["test_nats"])
    yield "unigram_perplexity", math.exp(unigram(train, test, vocabulary))
    yield "bigram_perplexity", math.exp(kneser_ney_bigram(train, test, vocabulary))


TEXT = Inputs(raw_input, _scores)
