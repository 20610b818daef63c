"""Colorization: values, closed forms, invariances and gradients."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_float32_inside,
    assert_rejects,
    assert_same,
    equal,
    normal,
    shaped,
    weigh,
)
from tests.references import pretext as reference
from tests.references.arrays import gradient

Q = 4
WEIGHTS = jnp.array([0.5, 2.0, 1.0, 3.0])


def pixels(soft, n=2, scale=1.0):
    logits = normal(n, 2, 3, Q, scale=scale)
    if soft:
        return logits, jax.nn.softmax(2 * normal(n, 2, 3, Q, seed=1))
    return logits, jnp.asarray(np.random.default_rng(1).integers(0, Q, (n, 2, 3)))


@jax.jit
def value_and_gradient(logits, targets, bin_weights):
    def f(logits):
        values = losses.colorization(logits, targets, bin_weights=bin_weights)
        return weigh(values), values

    g, values = jax.grad(f, has_aux=True)(logits)
    return values, g


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("soft", "weights"), [(False, None), (True, None), (True, WEIGHTS)])
def test_value_and_gradient_match_the_reference(soft, weights, n):
    logits, targets = pixels(soft, n)

    def f(logits):
        return reference.colorization(logits, np.asarray(targets), bin_weights=weights)

    expected = f(logits), gradient(lambda x: weigh(f(x)), logits)
    assert_same(value_and_gradient(logits, targets, weights), expected)


def run(logits, targets, bin_weights=None):
    return value_and_gradient(logits, targets, bin_weights)[0]


def test_closed_forms():
    _, targets = pixels(soft=False)
    logits = jnp.zeros((2, 2, 3, Q))
    equal(run(logits, targets), np.full(2, np.log(Q)))
    weighted = run(logits, targets, bin_weights=WEIGHTS)
    equal(weighted, WEIGHTS[targets].mean((1, 2)) * np.log(Q))
    right = 1e4 * jax.nn.one_hot(targets, Q)
    equal(run(right, targets, bin_weights=WEIGHTS), np.zeros(2))


def test_one_hot_targets_are_hard_targets():
    logits, targets = pixels(soft=False)
    for weights in (None, WEIGHTS):
        hard = run(logits, targets, bin_weights=weights)
        soft = run(logits, jax.nn.one_hot(targets, Q), bin_weights=weights)
        equal(soft, hard)


@pytest.mark.parametrize("soft", [False, True])
def test_invariances(soft):
    logits, targets = pixels(soft)
    values = run(logits, targets, bin_weights=WEIGHTS)
    shifted = logits + normal(2, 2, 3, 1, seed=2)
    equal(run(shifted, targets, bin_weights=WEIGHTS), values)
    flipped = run(logits[:, ::-1], targets[:, ::-1], bin_weights=WEIGHTS)
    equal(flipped, values)
    equal(run(logits, targets, bin_weights=2 * WEIGHTS), 2 * values)


@pytest.mark.parametrize("soft", [False, True])
def test_extreme_logits(soft):
    for scale in (1e4, 1e-8, 0):
        logits, targets = pixels(soft, scale=scale)
        values, g = value_and_gradient(logits, targets, WEIGHTS)
        expected = reference.colorization(logits, np.asarray(targets), bin_weights=WEIGHTS)
        equal(values, expected, rtol=1e-4)
        assert np.isfinite(g).all()


@pytest.mark.parametrize("soft", [False, True])
def test_bfloat16_is_computed_in_float32(soft):
    assert_float32_inside("colorization", pixels(soft), wrt=(0,), numbers={"bin_weights": WEIGHTS})


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 5, 6), "int32"),
        ((4, 5), "int32"),
        ((3, 5, 5), "int32"),
        ((4, 5, 5, 8), "float32"),
        ((4, 5, 6, 7), "float32"),
    ],
)
def test_mismatched_targets_are_rejected(shape, dtype):
    assert_rejects("colorization", [shaped((4, 5, 5, 7)), shaped(shape, dtype)], 1)


def test_mismatched_weights_are_rejected():
    with pytest.raises(ValueError, match=r"\(4, 5, 5, 7\).*\(6,\)|\(6,\).*\(4, 5, 5, 7\)"):
        inspect.unwrap(losses.colorization)(
            jnp.zeros((4, 5, 5, 7)), jnp.zeros((4, 5, 5), int), bin_weights=jnp.ones(6)
        )
