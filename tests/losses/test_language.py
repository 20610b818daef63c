"""Language losses: values, closed forms, invariances and gradients."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_rejects,
    equal,
    evaluate,
    normal,
    shaped,
)
from tests.references import language as reference

K = 5
MASK = jnp.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], bool)


def text(n=4, scale=1.0, seed=0):
    tokens = np.random.default_rng(seed).integers(0, K, (n, 4))
    return normal(n, 4, K, scale=scale, seed=seed), jnp.asarray(tokens)


def words(n=4, scale=1.0, d=3, m=2):
    centers, contexts = normal(2, n, d, scale=scale)
    return centers, contexts, normal(n, m, d, scale=scale, seed=1)


def co_occurrences(n=4, scale=1.0):
    dots, bias_i, bias_j = normal(3, n, scale=scale)
    return dots, bias_i, bias_j, jnp.array([3.0, 0, 100, 250])[:n]


WRT = {"causal_lm": (0,), "masked_lm": (0,), "skip_gram": (0, 1, 2), "glove": (0, 1, 2)}


def run(name, *inputs):
    """Returns the values, from the programs that the tests of the gradients compile anyway."""
    return evaluate(name, inputs, wrt=WRT[name])[0]


@pytest.mark.parametrize("n", [1, 4])
def test_values_and_gradients_match_the_reference(n):
    assert_agrees("causal_lm", reference.causal_lm, text(n), wrt=(0,))
    assert_agrees("masked_lm", reference.masked_lm, (*text(n), MASK[:n]), wrt=(0,))
    assert_agrees("skip_gram", reference.skip_gram, words(n), wrt=(0, 1, 2))
    assert_agrees("glove", reference.glove, co_occurrences(n), wrt=(0, 1, 2))
    options = {"x_max": 10.0, "alpha": 0.5}
    assert_agrees("glove", reference.glove, co_occurrences(n), wrt=(0, 1, 2), **options)


def test_causal_lm_with_a_mask_matches_the_reference():
    logits, tokens = text()

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def f(logits):
        values = losses.causal_lm(logits, tokens, mask=MASK)
        return values.sum(), values

    gradient, values = (np.asarray(x) for x in f(logits))
    equal(values, reference.causal_lm(logits, tokens, mask=MASK))
    counts = np.roll(MASK.at[:, 0].set(False), -1, 1)  # position j predicts token j + 1
    assert (gradient[~counts] == 0).all()
    assert (gradient[counts] != 0).all()


def test_closed_forms():
    logits, tokens = text()
    zeros, every = 0 * logits, jnp.ones_like(MASK)
    equal(run("causal_lm", zeros, tokens), np.full(4, np.log(K)))
    equal(losses.causal_lm(zeros, tokens, mask=~every), np.zeros(4))
    equal(losses.causal_lm(logits[:, :1], tokens[:, :1]), np.zeros(4))
    equal(run("masked_lm", zeros, tokens, every), np.full(4, np.log(K)))
    equal(run("masked_lm", zeros, tokens, ~every), np.zeros(4))
    right = 1e4 * jax.nn.one_hot(tokens, K)
    equal(run("masked_lm", right, tokens, every), np.zeros(4))
    equal(run("causal_lm", jnp.roll(right, -1, 1), tokens), np.zeros(4))

    centers, contexts, negatives = words()
    equal(run("skip_gram", 0 * centers, contexts, negatives), np.full(4, 3 * np.log(2)))

    ones = jnp.ones(4)
    counts = jnp.array([1.0, 100, 101, 1e6])
    expected = np.array([0.01**0.75, 1, 1, 1]) * (3 - np.log(counts)) ** 2
    equal(run("glove", ones, ones, ones, counts), expected)
    equal(run("glove", jnp.log(counts), 0 * ones, 0 * ones, counts), np.zeros(4))
    equal(run("glove", ones, ones, ones, 0 * ones), np.zeros(4))


def test_a_causal_lm_is_a_shifted_masked_lm():
    logits, tokens = text()
    targets = logits[:, :-1], tokens[:, 1:]
    expected = run("masked_lm", *targets, MASK[:, 1:])
    equal(losses.causal_lm(logits, tokens, mask=MASK), expected)
    expected = run("masked_lm", *targets, jnp.ones((4, 3), bool))
    equal(run("causal_lm", logits, tokens), expected)
    equal(losses.causal_lm(logits, tokens, mask=jnp.ones((4, 4), bool)), expected)


def test_what_the_losses_ignore():
    logits, tokens = text()
    noise = normal(4, 4, K, seed=2)
    values = run("causal_lm", logits, tokens)
    equal(run("causal_lm", logits.at[:, -1].set(noise[:, -1]), tokens), values)
    equal(run("causal_lm", logits, tokens.at[:, 0].set(0)), values)
    equal(losses.causal_lm(logits + noise[..., :1], tokens), values)

    values = run("masked_lm", logits, tokens, MASK)
    hidden = jnp.where(MASK[..., None], 0, noise)
    equal(run("masked_lm", logits + hidden, jnp.where(MASK, tokens, 0), MASK), values)
    equal(run("masked_lm", logits + noise[..., :1], tokens, MASK), values)


def test_invariances():
    centers, contexts, negatives = words()
    values = run("skip_gram", centers, contexts, negatives)
    rotation = jnp.asarray(np.linalg.qr(normal(3, 3, seed=3))[0], jnp.float32)
    equal(run("skip_gram", centers @ rotation, contexts @ rotation, negatives @ rotation), values)
    equal(run("skip_gram", centers, contexts, negatives[:, ::-1]), values)
    equal(run("skip_gram", 4 * centers, contexts / 4, negatives / 4), values)

    dots, bias_i, bias_j, counts = co_occurrences()
    values = run("glove", dots, bias_i, bias_j, counts)
    equal(run("glove", dots, bias_j, bias_i, counts), values)
    equal(run("glove", dots + 1, bias_i - 1, bias_j, counts), values, atol=1e-5)


def test_extreme_inputs():
    for scale in (1e4, 1e-8, 0):
        logits, tokens = text(scale=scale)
        assert_finite("causal_lm", reference.causal_lm, (logits, tokens), wrt=(0,))
        assert_finite("masked_lm", reference.masked_lm, (logits, tokens, MASK), wrt=(0,))
        assert_finite("skip_gram", reference.skip_gram, words(scale=scale), wrt=(0, 1, 2))
        assert_finite("glove", reference.glove, co_occurrences(scale=scale), wrt=(0, 1, 2))


def test_pairs_with_count_zero_get_no_gradient():
    values, (_, *gradients) = evaluate("glove", co_occurrences(), wrt=(0, 1, 2, 3))
    assert values[1] == 0
    for g in gradients:
        assert np.isfinite(g).all()
        assert g[1] == 0
        assert (g[np.array([0, 2, 3])] != 0).all()


def test_bfloat16_is_computed_in_float32():
    assert_float32_inside("causal_lm", text(), wrt=(0,))
    assert_float32_inside("masked_lm", (*text(), MASK), wrt=(0,))
    assert_float32_inside("skip_gram", words(), wrt=(0, 1, 2))
    assert_float32_inside("glove", co_occurrences(), wrt=(0, 1, 2))


@pytest.mark.parametrize(
    ("tokens", "mask", "wrong"),
    [((4, 6), (4, 6), 1), ((3, 5), (3, 5), 1), ((4, 5), (4, 6), 2), ((4, 5), (5,), 2)],
)
def test_mismatched_tokens_are_rejected(tokens, mask, wrong):
    inputs = [shaped((4, 5, 7)), shaped(tokens, "int32"), shaped(mask, "bool")]
    assert_rejects("masked_lm", inputs, wrong)
    if wrong == 1:
        assert_rejects("causal_lm", inputs[:2], wrong)


def test_a_mismatched_mask_is_rejected():
    logits, tokens = text()
    with pytest.raises(ValueError, match=r"\(4, 3\)") as error:
        inspect.unwrap(losses.causal_lm)(logits, tokens, mask=MASK[:, 1:])
    assert "(4, 4" in str(error.value)


@pytest.mark.parametrize(
    ("shapes", "wrong"),
    [
        ([(4, 3), (5, 3), (4, 2, 3)], 1),
        ([(4, 3), (4, 3), (5, 2, 3)], 2),
        ([(4, 3), (4, 3), (4, 2, 5)], 2),
        ([(4, 3), (4, 3), (2, 3)], 2),
    ],
)
def test_mismatched_word_vectors_are_rejected(shapes, wrong):
    assert_rejects("skip_gram", [shaped(shape) for shape in shapes], wrong)


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_mismatched_counts_are_rejected(wrong):
    assert_rejects("glove", [shaped((5 if i == wrong else 4,)) for i in range(4)], wrong)
