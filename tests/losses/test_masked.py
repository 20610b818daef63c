"""Masked reconstruction: values, closed forms, invariances and gradients."""

import jax.numpy as jnp
import numpy as np
import pytest

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
from tests.references import masked as reference

MASK = jnp.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], bool)


def patches(n=4, scale=1.0):
    predictions, targets = normal(2, n, 4, 3, scale=scale)
    return predictions, targets, MASK[:n]


def run(*inputs, normalize_targets=False):
    return evaluate("masked_mse", inputs, wrt=(0,), normalize_targets=normalize_targets)[0]


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("normalize_targets", [False, True])
def test_value_and_gradient_are_the_references(normalize_targets, n):
    options = {"wrt": (0,), "normalize_targets": normalize_targets}
    assert_agrees("masked_mse", reference.masked_mse, patches(n), **options)


def test_closed_forms():
    predictions, targets, mask = patches()
    equal(run(targets, targets, mask), np.zeros(4))
    equal(run(targets + 3, targets, mask), [9, 0, 9, 9], atol=1e-5)
    every = jnp.ones_like(mask)
    expected = ((predictions - targets) ** 2).mean((1, 2))
    equal(run(predictions, targets, every), expected)
    equal(run(predictions, targets, ~every), np.zeros(4))

    targets = jnp.tile(jnp.array([-1.0, 0, 1]), (4, 4, 1))  # of unbiased variance 1
    values = run(0 * targets, targets, every, normalize_targets=True)
    equal(values, np.full(4, 2 / 3 / (1 + 1e-6)))
    constant = run(predictions, 0 * targets + 5, every, normalize_targets=True)
    equal(constant, (predictions**2).mean((1, 2)))


def test_visible_patches_do_not_matter():
    predictions, targets, mask = patches()
    noise = jnp.where(mask[..., None], 0, normal(4, 4, 3, seed=1))
    expected = run(predictions, targets, mask)
    equal(run(predictions + noise, targets - noise, mask), expected)
    _, (_, gradient) = evaluate(
        "masked_mse", (predictions, targets, mask), wrt=(0,), normalize_targets=False
    )
    np.testing.assert_array_equal(gradient[~mask], 0)
    assert (abs(gradient[mask]) > 0).all()


def test_invariances():
    predictions, targets, mask = patches()
    values = run(predictions, targets, mask, normalize_targets=True)
    brighter = run(predictions, 50 * targets + 2, mask, normalize_targets=True)
    equal(brighter, values, rtol=1e-3)

    order, rows = np.array([2, 0, 3, 1]), np.array([3, 1, 0, 2])
    expected = run(predictions, targets, mask)
    equal(run(predictions[:, order], targets[:, order], mask[:, order]), expected)
    equal(run(predictions[rows], targets[rows], mask[rows]), expected[rows])
    equal(run(2 * predictions, 2 * targets, mask), 4 * expected)


@pytest.mark.parametrize("normalize_targets", [False, True])
def test_extreme_inputs(normalize_targets):
    options = {"wrt": (0, 1), "normalize_targets": normalize_targets}
    for scale in (1e4, 1e-8, 0):
        assert_finite("masked_mse", reference.masked_mse, patches(scale=scale), **options)


@pytest.mark.parametrize("normalize_targets", [False, True])
def test_bfloat16_is_computed_in_float32(normalize_targets):
    options = {"wrt": (0,), "normalize_targets": normalize_targets}
    assert_float32_inside("masked_mse", patches(), **options)


@pytest.mark.parametrize(
    ("targets", "mask", "wrong"),
    [
        ((4, 5, 2), (4, 5), 1),
        ((4, 6, 3), (4, 5), 1),
        ((4, 5), (4, 5), 1),
        ((4, 5, 3), (4, 6), 2),
        ((4, 5, 3), (5,), 2),
    ],
)
def test_shapes_that_differ_are_refused_by_name(targets, mask, wrong):
    inputs = [shaped((4, 5, 3)), shaped(targets), shaped(mask, "bool")]
    assert_refuses("masked_mse", inputs, wrong)
