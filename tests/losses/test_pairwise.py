"""Pairwise losses: values, closed forms, invariances and gradients."""

from functools import partial

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
from tests.references import pairwise as reference

WRT = {
    "nce": (0, 1, 2, 3),
    "triplet": (0, 1, 2),
    "alignment": (0, 1),
    "spectral_contrastive": (0, 1),
}
DEFAULTS = {
    "nce": {},
    "triplet": {"margin": 1.0},
    "alignment": {"alpha": 2.0},
    "spectral_contrastive": {"axis_name": None},
}


def views(n=7, d=5, seed=0, scale=1.0):
    return tuple(normal(2, n, d, seed=seed, scale=scale))


def batch(name, n=6, seed=0, scale=1.0):
    if name == "nce":
        scores, log_q = normal(2, n, 5, seed=seed, scale=scale)
        return scores[:, 0], scores[:, 1:], log_q[:, 0], log_q[:, 1:]
    if name == "triplet":
        return tuple(normal(3, n, 10, seed=seed, scale=scale))
    return views(n, seed=seed, scale=scale)


def run(name, *inputs, **options):
    return evaluate(name, inputs, wrt=WRT[name], **options)[0]


def rotation(d=5):
    random = np.random.default_rng(1).normal(size=(d, d))
    return jnp.asarray(np.linalg.qr(random)[0], jnp.float32)


@pytest.mark.parametrize("name", WRT)
def test_defaults(name):
    assert defaults(name) == DEFAULTS[name]
    inputs = batch(name)
    equal(getattr(losses, name)(*inputs), getattr(reference, name)(*inputs))


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("name", ["nce", "triplet"])
def test_values_and_gradients_match_the_reference(name, n):
    assert_agrees(name, getattr(reference, name), batch(name, n), wrt=WRT[name])


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_alignment_matches_the_reference(alpha, n):
    assert_agrees("alignment", reference.alignment, views(n), wrt=(0, 1), alpha=alpha)


@pytest.mark.parametrize("n", [2, 7])
def test_spectral_contrastive_matches_the_reference(n):
    f = reference.spectral_contrastive
    assert_agrees("spectral_contrastive", f, views(n), wrt=(0, 1))


@pytest.mark.parametrize("name", ["nce", "triplet", "alignment"])
def test_rows_do_not_depend_on_each_other(name):
    inputs, others = batch(name), batch(name, seed=9)
    values = run(name, *inputs)
    mixed = [x.at[:2].set(y[:2]) for x, y in zip(inputs, others, strict=True)]
    equal(run(name, *mixed)[2:], values[2:])
    assert (abs(run(name, *mixed)[:2] - values[:2]) > 1e-3).any()


def test_which_rows_a_second_view_affects():
    z1, z2 = views()
    for name in ("alignment", "spectral_contrastive"):
        values = run(name, z1, z2)
        equal(run(name, z1.at[0].set(z2[3]), z2)[1:], values[1:])
        changed = abs(run(name, z1, z2.at[0].set(z1[3])) - values) > 1e-3
        np.testing.assert_array_equal(changed, np.arange(7) == 0 if name == "alignment" else True)


def test_closed_forms_of_nce():
    n, m = 6, 4
    data, noise, data_log_q, noise_log_q = batch("nce")
    expected = np.log(1 + m) + m * np.log((1 + m) / m)  # the model equals the noise
    equal(run("nce", data, noise, data, noise), np.full(n, expected))
    expected = run("nce", data, noise, data_log_q, noise_log_q)
    equal(run("nce", data + 3, noise + 3, data_log_q + 3, noise_log_q + 3), expected)
    equal(run("nce", data, noise[:, ::-1], data_log_q, noise_log_q[:, ::-1]), expected)


def test_closed_forms_of_triplet():
    n = 6
    f = partial(run, "triplet")
    anchors, positives, negatives = batch("triplet")
    equal(f(anchors, anchors, anchors), np.ones(n))
    origin = jnp.zeros((n, 10))
    three, four = origin.at[:, 0].set(3), origin.at[:, 5].set(4)
    equal(f(origin, three, four), np.zeros(n))
    equal(f(origin, four, three), np.full(n, 2))
    equal(losses.triplet(origin, three, four, margin=1.5), np.full(n, 0.5))
    values = f(anchors, positives, negatives)
    equal(f(anchors + 1, positives + 1, negatives + 1), values, atol=1e-5)
    scaled = losses.triplet(9 * anchors, 9 * positives, 9 * negatives, margin=9.0)
    equal(scaled, 9 * values, atol=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_closed_forms_of_alignment(alpha):
    n = 4
    z, _ = views(n)
    f = partial(run, "alignment", alpha=alpha)
    equal(f(z, -3 * z), np.full(n, 2**alpha))
    equal(f(jnp.eye(n, 2 * n), jnp.eye(n, 2 * n, n)), np.full(n, 2 ** (alpha / 2)))
    equal(f(z, 0 * z), np.ones(n))
    for same in (z, 0 * z):  # the gradient of a distance of 0 is 0
        values, (_, *gradients) = evaluate("alignment", (same, same), wrt=(0, 1), alpha=alpha)
        for x in (values, *gradients):
            np.testing.assert_array_equal(x, np.zeros_like(x))


def test_alignment_equals_cosine_regression():
    z1, z2 = views()
    equal(run("alignment", z1, z2), losses.cosine_regression(z1, z2))


def test_alignment_is_exact_for_close_views():
    """The distance computed as sqrt(2 - 2 cos) would be wrong in its first digit."""
    z1, z2 = views()
    z2 = z1 + 2e-4 * z2
    expected = reference.alignment(z1, z2, alpha=1.0)
    np.testing.assert_allclose(run("alignment", z1, z2, alpha=1.0), expected, rtol=5e-3)


def test_closed_forms_of_spectral_contrastive():
    n = 7
    f = partial(run, "spectral_contrastive")
    z, orthonormal = jnp.ones((n, 4)) / 2, jnp.eye(n, n + 1)
    equal(f(z, z), np.full(n, -2 + 1))
    equal(f(3 * z, z), np.full(n, -2 * 3 + 9))
    equal(f(z, -z), np.full(n, 2 + 1))
    equal(f(orthonormal, 3 * orthonormal), np.full(n, -2 * 3))
    equal(f(orthonormal, jnp.roll(orthonormal, 1, axis=0)), np.full(n, 1 / (n - 1)))
    equal(f(0 * z, z), np.zeros(n))


def test_the_minimum_of_spectral_contrastive():
    """Two clusters, each with half the rows, have products of 2 within and 0 between clusters."""
    clusters = np.sqrt(2) * jnp.repeat(jnp.eye(2, 3), 500, axis=0)
    value = run("spectral_contrastive", clusters, clusters).mean()
    np.testing.assert_allclose(value, -4 + 4 * 499 / 999, rtol=1e-5)
    for factor in (0.9, 1.1):
        worse = run("spectral_contrastive", factor * clusters, clusters).mean()
        assert worse > value


@pytest.mark.parametrize("name", ["alignment", "spectral_contrastive"])
def test_invariances(name):
    z1, z2 = views()
    values = run(name, z1, z2)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    order = rng.permutation(7)
    close(run(name, z1[order], z2[order]), values[order])
    close(run(name, z1 @ rotation(), z2 @ rotation()), values)
    close(run(name, 4 * z1, z2 / 4), values)
    if name == "alignment":
        scales = jnp.asarray(rng.uniform(0.01, 100, (2, 7, 1)), jnp.float32)
        close(run(name, scales[0] * z1, scales[1] * z2), values)
        close(run(name, z2, z1), values)
    else:
        close(run(name, z2, z1).sum(), values.sum())
        close(run(name, 2 * z1, 2 * z2) - 16 * values, 24 * (z1 * z2).sum(-1), atol=1e-3)


def test_extreme_inputs_of_nce():
    assert_finite("nce", reference.nce, batch("nce", scale=1e4), wrt=WRT["nce"])


def test_extreme_inputs_of_triplet():
    for scale in (1e4, 1e-8, 0):
        inputs = batch("triplet", scale=scale)
        assert_finite("triplet", reference.triplet, inputs, wrt=WRT["triplet"], atol=1e-2)
    a, p, n = batch("triplet")
    for inputs in ((a, a, n), (a, p, a), (a, a, a)):  # the gradient of a distance of 0 is 0
        assert_finite("triplet", reference.triplet, inputs, wrt=WRT["triplet"])


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_extreme_inputs_of_alignment(alpha):
    check = partial(assert_finite, "alignment", reference.alignment, wrt=(0, 1), alpha=alpha)
    for scale in (1e20, 1e4, 1e-8):
        check(views(scale=scale))
    z1, z2 = views()
    for inputs in ((z1.at[2].set(0), z2), (0 * z1, z2), (z1, 0 * z2), (0 * z1, 0 * z2), (z1, z1)):
        check(inputs)


def test_extreme_inputs_of_spectral_contrastive():
    f = reference.spectral_contrastive
    check = partial(assert_finite, "spectral_contrastive", f, wrt=(0, 1))
    for scale in (1e4, 1e-8):
        check(views(scale=scale))
    z1, z2 = views()
    for inputs in ((z1.at[2].set(0), z2), (0 * z1, z2), (z1, 0 * z2), (0 * z1, 0 * z2)):
        check(inputs)


@pytest.mark.parametrize("name", WRT)
def test_bfloat16_is_computed_in_float32(name):
    assert_float32_inside(name, batch(name), wrt=WRT[name])


@pytest.mark.parametrize(
    ("name", "shapes", "wrong"),
    [
        ("nce", [(4,), (5, 2), (4,), (5, 2)], 1),
        ("nce", [(4,), (4, 2), (5,), (4, 2)], 2),
        ("nce", [(4,), (4, 2), (4,), (4, 3)], 3),
        ("triplet", [(4, 3), (5, 3), (4, 3)], 1),
        ("triplet", [(4, 3), (4, 3), (4, 2)], 2),
        ("alignment", [(4, 3), (5, 3)], 1),
        ("alignment", [(4, 3), (4, 2)], 1),
        ("alignment", [(4, 3), (4,)], 1),
        ("spectral_contrastive", [(4, 3), (5, 3)], 1),
        ("spectral_contrastive", [(4, 3), (4, 2)], 1),
        ("spectral_contrastive", [(4, 3), (4,)], 1),
    ],
)
def test_mismatched_shapes_are_rejected(name, shapes, wrong):
    assert_rejects(name, [shaped(shape) for shape in shapes], wrong)


def test_spectral_contrastive_needs_two_examples():
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        run("spectral_contrastive", *views(n=1))
