"""Token counts as the raw input, and perplexities beside those of n-gram models."""

import json
import math

import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods
from ssl_jax.data.dataset import Arrays
from ssl_jax.evaluation.modalities import INPUTS
from tests import tiny
from tests.references import ngram

TEXT = INPUTS["text"]


@pytest.fixture(scope="module")
def data():
    return tiny.texts()


def test_the_raw_input_counts_each_token(data):
    tokens = data.test.columns["tokens"]
    config = tiny.config(name="next_word")
    config.network.name = "gpt_nano"
    config = tiny.resolved(config, data)
    counts = TEXT.raw(config.data)({"tokens": tokens})
    expected = [np.bincount(row, minlength=data.facts["vocabulary"]) for row in tokens]
    np.testing.assert_array_equal(counts, expected)


def test_a_method_that_predicts_no_words_has_no_perplexities(data):
    assert dict(TEXT.scores(data, tiny.config(), {"rankme": 2.0})) == {}


def test_a_trained_method_has_perplexities_and_those_of_ngrams_beside_it(data, tmp_path):
    config = tiny.config(name="next_word", temperature=0.8)
    config.network.name = "gpt_nano"
    config.optimizer.learning_rate = 0.2
    config.train.update({"steps": 60, "log_every": 20, "checkpoint_every": 60})
    without_labels = [Arrays({"tokens": s.columns["tokens"]}) for s in (data.train, data.test)]
    unlabeled = data._replace(train=without_labels[0], test=without_labels[1], label_names=None)
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        ssl_jax.fit(methods.make, unlabeled, config, workdir=tmp_path / "run")
    values = json.loads((tmp_path / "run" / "evaluation.json").read_text())

    train, test = (source.columns["tokens"].tolist() for source in (data.pretrain, data.test))
    vocabulary = data.facts["vocabulary"]
    for name, model in (("unigram", ngram.unigram), ("bigram", ngram.kneser_ney)):
        expected = math.exp(ngram.nats(model(train, vocabulary), test))
        assert values[f"{name}_perplexity"] == pytest.approx(expected)
    assert values["test_perplexity"] == pytest.approx(math.exp(values["test_nats"]))
    assert values["test_perplexity"] < values["unigram_perplexity"] / 2
