"""Masked reconstruction: values, closed forms, invariances and gradients."""

import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_rejects,
    defaults,
    equal,
    evaluate,
    normal,
    shaped,
)
from tests.references import masked as reference

NAMES = ["masked_mse", "masked_smooth_l1"]
MASK = jnp.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], bool)


def patches(n=4, scale=1.0):
    predictions, targets = normal(2, n, 4, 3, scale=scale)
    return predictions, targets, MASK[:n]


def run(name, *inputs, **options):
    return evaluate(name, inputs, wrt=(0,), **options)[0]


def masked_mse(*inputs, normalize_targets=False):
    return run("masked_mse", *inputs, normalize_targets=normalize_targets)


def masked_smooth_l1(*inputs, beta=1.0):
    return run("masked_smooth_l1", *inputs, beta=beta)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("normalize_targets", [False, True])
def test_masked_mse_matches_the_reference(normalize_targets, n):
    options = {"wrt": (0,), "normalize_targets": normalize_targets}
    assert_agrees("masked_mse", reference.masked_mse, patches(n), **options)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_masked_smooth_l1_matches_the_reference(beta, n):
    predictions, targets, mask = patches(n)
    errors = abs(predictions - targets)[mask]
    assert 0 < (errors < beta).sum() < errors.size  # errors lie on both sides of beta
    f, inputs = reference.masked_smooth_l1, (predictions, targets, mask)
    assert_agrees("masked_smooth_l1", f, inputs, wrt=(0,), beta=beta)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("masked_mse", {"normalize_targets": False}), ("masked_smooth_l1", {"beta": 1.0})],
)
def test_defaults(name, expected):
    assert defaults(name) == expected
    equal(getattr(losses, name)(*patches()), getattr(reference, name)(*patches()))


def test_closed_forms_of_masked_mse():
    predictions, targets, mask = patches()
    equal(masked_mse(targets, targets, mask), np.zeros(4))
    equal(masked_mse(targets + 3, targets, mask), [9, 0, 9, 9], atol=1e-5)
    every = jnp.ones_like(mask)
    expected = ((predictions - targets) ** 2).mean((1, 2))
    equal(masked_mse(predictions, targets, every), expected)
    equal(masked_mse(predictions, targets, ~every), np.zeros(4))

    targets = jnp.tile(jnp.array([-1.0, 0, 1]), (4, 4, 1))  # unbiased variance 1
    values = masked_mse(0 * targets, targets, every, normalize_targets=True)
    equal(values, np.full(4, 2 / 3 / (1 + 1e-6)))
    constant = masked_mse(predictions, 0 * targets + 5, every, normalize_targets=True)
    equal(constant, (predictions**2).mean((1, 2)))


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_closed_forms_of_masked_smooth_l1(beta):
    predictions, targets, mask = patches()
    some = mask.any(1)
    equal(masked_smooth_l1(targets, targets, mask, beta=beta), np.zeros(4))
    for error, expected in [
        (0.2 * beta, 0.02 * beta),
        (beta, beta / 2),
        (3 * beta, 2.5 * beta),
        (-3 * beta, 2.5 * beta),
    ]:
        equal(masked_smooth_l1(targets + error, targets, mask, beta=beta), some * expected)
    every = jnp.ones_like(mask)
    equal(masked_smooth_l1(predictions, targets, ~every, beta=beta), np.zeros(4))
    far = targets + jnp.sign(predictions) * (10 + abs(predictions))
    expected = abs(far - targets).mean((1, 2)) - beta / 2
    equal(masked_smooth_l1(far, targets, every, beta=beta), expected)


def test_a_large_beta_gives_the_mean_squared_error():
    inputs = patches()
    squared = evaluate("masked_mse", inputs, wrt=(0,), normalize_targets=False)[0]
    equal(masked_smooth_l1(*inputs, beta=50.0), squared / 100)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_gradient_of_masked_smooth_l1(beta):
    """Each hidden value contributes e / beta, clipped to [-1, 1]."""
    predictions, targets, mask = patches()
    _, (_, gradients) = evaluate(
        "masked_smooth_l1", (predictions, targets, mask), wrt=(0,), beta=beta
    )
    shares = np.linspace(0.5, 1.5, 4) / np.maximum(mask.sum(1), 1) / 3
    errors = np.clip((predictions - targets) / beta, -1, 1)
    equal(gradients, errors * shares[:, None, None] * mask[..., None])


def test_masked_smooth_l1_gives_targets_no_gradient():
    _, (_, *gradients) = evaluate("masked_smooth_l1", patches(), wrt=(0, 1))
    assert abs(gradients[0]).max() > 1e-2
    np.testing.assert_array_equal(gradients[1], np.zeros_like(gradients[1]))


@pytest.mark.parametrize("name", NAMES)
def test_visible_patches_do_not_matter(name):
    predictions, targets, mask = patches()
    expected, (_, gradient) = evaluate(name, (predictions, targets, mask), wrt=(0,))
    noise = jnp.where(mask[..., None], 0, normal(4, 4, 3, seed=1))
    equal(run(name, predictions + noise, targets - noise, mask), expected)
    np.testing.assert_array_equal(gradient[~mask], 0)
    assert (abs(gradient[mask]) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_invariances(name):
    predictions, targets, mask = patches()
    order, rows, features = np.array([2, 0, 3, 1]), np.array([3, 1, 0, 2]), np.array([1, 2, 0])
    expected = run(name, predictions, targets, mask)
    equal(run(name, predictions[:, order], targets[:, order], mask[:, order]), expected)
    equal(run(name, predictions[rows], targets[rows], mask[rows]), expected[rows])
    equal(run(name, predictions[..., features], targets[..., features], mask), expected)
    equal(run(name, targets, predictions, mask), expected)
    equal(run(name, predictions + 2, targets + 2, mask), expected, atol=1e-5)


def test_scales():
    predictions, targets, mask = patches()
    expected = 4 * masked_mse(predictions, targets, mask)
    equal(masked_mse(2 * predictions, 2 * targets, mask), expected)
    values = masked_mse(predictions, targets, mask, normalize_targets=True)
    brighter = masked_mse(predictions, 50 * targets + 2, mask, normalize_targets=True)
    equal(brighter, values, rtol=1e-3)
    expected = 4 * masked_smooth_l1(predictions, targets, mask)
    equal(masked_smooth_l1(4 * predictions, 4 * targets, mask, beta=4.0), expected)


@pytest.mark.parametrize("normalize_targets", [False, True])
def test_extreme_inputs_of_masked_mse(normalize_targets):
    options = {"wrt": (0, 1), "normalize_targets": normalize_targets}
    for scale in (1e4, 1e-8, 0):
        assert_finite("masked_mse", reference.masked_mse, patches(scale=scale), **options)


@pytest.mark.parametrize("beta", [1e-3, 1.0])
def test_extreme_inputs_of_masked_smooth_l1(beta):
    f = reference.masked_smooth_l1
    for scale in (1e4, 1e-8, 0):
        assert_finite("masked_smooth_l1", f, patches(scale=scale), wrt=(0, 1), beta=beta)


@pytest.mark.parametrize("normalize_targets", [False, True])
def test_masked_mse_of_bfloat16_is_computed_in_float32(normalize_targets):
    options = {"wrt": (0,), "normalize_targets": normalize_targets}
    assert_float32_inside("masked_mse", patches(), **options)


def test_masked_smooth_l1_of_bfloat16_is_computed_in_float32():
    assert_float32_inside("masked_smooth_l1", patches(), wrt=(0, 1), beta=0.5)


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
@pytest.mark.parametrize("name", NAMES)
def test_mismatched_shapes_are_rejected(name, targets, mask, wrong):
    inputs = [shaped((4, 5, 3)), shaped(targets), shaped(mask, "bool")]
    assert_rejects(name, inputs, wrong)
