"""Masked smooth L1: values, closed forms, invariances and gradients."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_refuses,
    equal,
    evaluate,
    normal,
    shaped,
)
from tests.references import masked_regression as reference

NAME = "masked_smooth_l1"
MASK = jnp.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], bool)


def patches(n=4, scale=1.0):
    predictions, targets = normal(2, n, 4, 3, scale=scale)
    return predictions, targets, MASK[:n]


def run(*inputs, beta=1.0):
    return evaluate(NAME, inputs, wrt=(0,), beta=beta)[0]


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_value_and_gradient_are_the_references(beta, n):
    predictions, targets, mask = patches(n)
    errors = abs(predictions - targets)[mask]
    assert 0 < (errors < beta).sum() < errors.size  # both branches
    options = {"wrt": (0,), "beta": beta}
    assert_agrees(NAME, reference.masked_smooth_l1, (predictions, targets, mask), **options)


def test_defaults():
    parameters = inspect.signature(losses.masked_smooth_l1).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert defaults == {"beta": 1.0}


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_closed_forms(beta):
    predictions, targets, mask = patches()
    some = mask.any(1)
    equal(run(targets, targets, mask, beta=beta), np.zeros(4))
    for error, expected in [
        (0.2 * beta, 0.02 * beta),
        (beta, beta / 2),
        (3 * beta, 2.5 * beta),
        (-3 * beta, 2.5 * beta),
    ]:
        equal(run(targets + error, targets, mask, beta=beta), some * expected)
    every = jnp.ones_like(mask)
    equal(run(predictions, targets, ~every, beta=beta), np.zeros(4))
    far = targets + jnp.sign(predictions) * (10 + abs(predictions))
    expected = abs(far - targets).mean((1, 2)) - beta / 2
    equal(run(far, targets, every, beta=beta), expected)


def test_a_wide_beta_is_a_mean_squared_error():
    inputs = patches()
    squared = evaluate("masked_mse", inputs, wrt=(0,), normalize_targets=False)[0]
    equal(run(*inputs, beta=50.0), squared / 100)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_slopes(beta):
    """Per hidden number, e / beta and no more than 1."""
    predictions, targets, mask = patches()
    _, (_, slopes) = evaluate(NAME, (predictions, targets, mask), wrt=(0,), beta=beta)
    shares = np.linspace(0.5, 1.5, 4) / np.maximum(mask.sum(1), 1) / 3
    errors = np.clip((predictions - targets) / beta, -1, 1)
    equal(slopes, errors * shares[:, None, None] * mask[..., None])


def test_targets_get_no_gradient():
    _, (_, *gradients) = evaluate(NAME, patches(), wrt=(0, 1))
    assert abs(gradients[0]).max() > 1e-2
    np.testing.assert_array_equal(gradients[1], np.zeros_like(gradients[1]))


def test_visible_patches_do_not_matter():
    predictions, targets, mask = patches()
    expected, (_, gradient) = evaluate(NAME, (predictions, targets, mask), wrt=(0,))
    noise = jnp.where(mask[..., None], 0, normal(4, 4, 3, seed=1))
    equal(run(predictions + noise, targets - noise, mask), expected)
    np.testing.assert_array_equal(gradient[~mask], 0)
    assert (abs(gradient[mask]) > 0).all()


def test_invariances():
    predictions, targets, mask = patches()
    order, rows, features = np.array([2, 0, 3, 1]), np.array([3, 1, 0, 2]), np.array([1, 2, 0])
    expected = run(predictions, targets, mask)
    equal(run(predictions[:, order], targets[:, order], mask[:, order]), expected)
    equal(run(predictions[rows], targets[rows], mask[rows]), expected[rows])
    equal(run(predictions[..., features], targets[..., features], mask), expected)
    equal(run(targets, predictions, mask), expected)
    equal(run(predictions + 2, targets + 2, mask), expected, atol=1e-5)
    equal(run(4 * predictions, 4 * targets, mask, beta=4.0), 4 * expected)


@pytest.mark.parametrize("beta", [1e-3, 1.0])
def test_extreme_inputs(beta):
    for scale in (1e4, 1e-8, 0):
        inputs = patches(scale=scale)
        assert_finite(NAME, reference.masked_smooth_l1, inputs, wrt=(0, 1), beta=beta)


def test_bfloat16_is_computed_in_float32():
    assert_float32_inside(NAME, patches(), wrt=(0, 1), beta=0.5)


@pytest.mark.parametrize(
    ("targets", "mask", "wrong"),
    [
        ((4, 5, 2), (4, 5), 1),
        ((4, 6, 3), (4, 5), 1),
        ((3, 5, 3), (4, 5), 1),
        ((4, 5), (4, 5), 1),
        ((4, 5, 3), (4, 6), 2),
        ((4, 5, 3), (5,), 2),
    ],
)
def test_shapes_that_differ_are_refused_by_name(targets, mask, wrong):
    inputs = [shaped((4, 5, 3)), shaped(targets), shaped(mask, "bool")]
    assert_refuses(NAME, inputs, wrong)
