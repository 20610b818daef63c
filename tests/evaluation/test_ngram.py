"""N-gram models: a reference with loops, closed forms, sums to one, and a known entropy."""

import numpy as np
import pytest

from ssl_jax.evaluation import kneser_ney_bigram, unigram
from tests.references import ngram as reference

VOCABULARY = 9


def draw(seed, rows, tokens, kinds=VOCABULARY - 2):
    """Draws windows in which low tokens are frequent and the two highest never occur."""
    rng = np.random.default_rng(seed)
    return (kinds * rng.random((rows, tokens)) ** 2).astype(np.int32)


@pytest.mark.parametrize("shape", [(3, 5), (12, 7), (40, 2)])
def test_equal_the_reference(shape):
    train, test = draw(0, *shape), draw(1, 6, 4, VOCABULARY)
    for ours, theirs in ((unigram, reference.unigram), (kneser_ney_bigram, reference.kneser_ney)):
        expected = reference.nats(theirs(train.tolist(), VOCABULARY), test.tolist())
        assert ours(train, test, VOCABULARY) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("model", [unigram, kneser_ney_bigram])
@pytest.mark.parametrize(
    "train", [draw(0, 5, 6), np.array([[0, 1]]), np.tile([0, 1, 2], (2, 1))], ids=str
)
def test_probabilities_after_each_token_are_positive_and_sum_to_one(model, train):
    for v in range(VOCABULARY):
        p = [np.exp(-model(train, np.array([[v, w]]), VOCABULARY)) for w in range(VOCABULARY)]
        assert sum(p) == pytest.approx(1, rel=1e-12)
        assert min(p) > 0


def test_closed_forms():
    train = np.array([[0, 1], [0, 1], [0, 0]])
    for window, one, two in (
        ([0, 1], 3 / 8, 2 / 3),
        ([0, 0], 5 / 8, 1 / 3),
        ([1, 0], 5 / 8, 1 / 2),
    ):
        test = np.array([window])
        assert unigram(train, test, 2) == pytest.approx(-np.log(one))
        assert kneser_ney_bigram(train, test, 2) == pytest.approx(-np.log(two))


def test_a_context_that_occurs_once_counts():
    train = np.array([[0, 1], [0, 1], [1, 0]])
    assert kneser_ney_bigram(train, np.array([[1, 0]]), 2) == pytest.approx(-np.log(5 / 6))


def test_no_pair_spans_two_windows():
    train = np.array([[0, 1], [2, 3], [0, 1], [2, 0]])
    other = train[[2, 3, 1, 0]]
    test = draw(3, 4, 5, 4)
    assert kneser_ney_bigram(train, test, 4) == kneser_ney_bigram(other, test, 4)
    assert kneser_ney_bigram(train, test[:1], 4) != kneser_ney_bigram(
        train.reshape(1, -1), test[:1], 4
    )


def test_the_entropy_of_a_markov_chain_is_reached():
    rng = np.random.default_rng(0)
    transition = rng.dirichlet(np.full(5, 0.4), 5)
    chain = [0]
    for uniform in rng.random(64_000):
        chain.append(np.searchsorted(np.cumsum(transition[chain[-1]]), uniform).clip(max=4))
    windows = np.array(chain[:64_000]).reshape(1000, 64)
    train, test = windows[:800], windows[800:]
    share = np.bincount(np.array(chain)) / len(chain)
    entropy = -(share[:, None] * transition * np.log(transition)).sum()
    assert kneser_ney_bigram(train, test, 5) == pytest.approx(entropy, rel=0.02)
    assert unigram(train, test, 5) == pytest.approx(-(share * np.log(share)).sum(), rel=0.02)


@pytest.mark.parametrize("model", [unigram, kneser_ney_bigram])
@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros(4, int), r"got shape \(4,\)"),
        (np.zeros((0, 4), int), r"got shape \(0, 4\)"),
        (np.zeros((4, 1), int), r"got shape \(4, 1\)"),
        (np.array([[0, 3]]), "from 0 to 3 must be from 0 to 2"),
        (np.array([[-1, 2]]), "from -1 to 2 must be from 0 to 2"),
    ],
)
def test_refuse(model, tokens, message):
    good = np.zeros((2, 2), int)
    for train, test in ((tokens, good), (good, tokens)):
        with pytest.raises(ValueError, match=message):
            model(train, test, 3)
