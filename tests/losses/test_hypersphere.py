"""Alignment, uniformity and the spectral loss: values, closed forms, invariances, gradients."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_refuses,
    assert_same,
    equal,
    evaluate,
    normal,
    shaped,
)
from tests.references import hypersphere as reference
from tests.references.contrastive import gradient

BLOCKS = [None, 1, 3, 100]  # of 7 rows
PAIRS = ["alignment", "spectral_contrastive"]
DEFAULTS = {
    "alignment": {"alpha": 2.0},
    "uniformity": {"t": 2.0, "axis_name": None, "block_size": None},
    "spectral_contrastive": {"axis_name": None},
}


def views(n=7, d=5, seed=0, scale=1.0):
    return tuple(normal(2, n, d, seed=seed, scale=scale))


def run(name, z1, z2, **options):
    return evaluate(name, (z1, z2), wrt=(0, 1), **options)[0]


def rotation(d=5):
    random = np.random.default_rng(1).normal(size=(d, d))
    return jnp.asarray(np.linalg.qr(random)[0], jnp.float32)


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name):
    parameters = inspect.signature(getattr(losses, name)).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert defaults == DEFAULTS[name]
    inputs = views()[:1] if name == "uniformity" else views()
    equal(getattr(losses, name)(*inputs), getattr(reference, name)(*inputs))


# The losses of two views.


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_alignment_is_the_references(alpha, n):
    assert_agrees("alignment", reference.alignment, views(n), wrt=(0, 1), alpha=alpha)


@pytest.mark.parametrize("n", [2, 7])
def test_spectral_contrastive_is_the_references(n):
    f = reference.spectral_contrastive
    assert_agrees("spectral_contrastive", f, views(n), wrt=(0, 1))


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_closed_forms_of_alignment(alpha):
    n = 4
    z, _ = views(n)
    f = partial(run, "alignment", alpha=alpha)
    equal(f(z, -3 * z), np.full(n, 2**alpha))
    equal(f(jnp.eye(n, 2 * n), jnp.eye(n, 2 * n, n)), np.full(n, 2 ** (alpha / 2)))
    equal(f(z, 0 * z), np.ones(n))
    for same in (z, 0 * z):  # a distance of 0 has no slope
        values, (_, *slopes) = evaluate("alignment", (same, same), wrt=(0, 1), alpha=alpha)
        for x in (values, *slopes):
            np.testing.assert_array_equal(x, np.zeros_like(x))


def test_alignment_is_a_cosine_regression():
    z1, z2 = views()
    equal(run("alignment", z1, z2), losses.cosine_regression(z1, z2))


def test_alignment_is_exact_for_close_views():
    """A distance taken as sqrt(2 - 2 cos) would be wrong in its first digit."""
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
    """Two clusters of half the rows have similarities of 2 within and of 0 between."""
    clusters = np.sqrt(2) * jnp.repeat(jnp.eye(2, 3), 500, axis=0)
    value = run("spectral_contrastive", clusters, clusters).mean()
    np.testing.assert_allclose(value, -4 + 4 * 499 / 999, rtol=1e-5)
    for factor in (0.9, 1.1):
        worse = run("spectral_contrastive", factor * clusters, clusters).mean()
        assert worse > value


@pytest.mark.parametrize("name", PAIRS)
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


def test_which_rows_depend_on_each_other():
    z1, z2 = views()
    for name in PAIRS:
        values = run(name, z1, z2)
        equal(run(name, z1.at[0].set(z2[3]), z2)[1:], values[1:])
        changed = abs(run(name, z1, z2.at[0].set(z1[3])) - values) > 1e-3
        np.testing.assert_array_equal(changed, np.arange(7) == 0 if name == "alignment" else True)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_extreme_views_of_alignment(alpha):
    check = partial(assert_finite, "alignment", reference.alignment, wrt=(0, 1), alpha=alpha)
    for scale in (1e20, 1e4, 1e-8):
        check(views(scale=scale))
    z1, z2 = views()
    for inputs in ((z1.at[2].set(0), z2), (0 * z1, z2), (z1, 0 * z2), (0 * z1, 0 * z2), (z1, z1)):
        check(inputs)


def test_extreme_views_of_spectral_contrastive():
    f = reference.spectral_contrastive
    check = partial(assert_finite, "spectral_contrastive", f, wrt=(0, 1))
    for scale in (1e4, 1e-8):
        check(views(scale=scale))
    z1, z2 = views()
    for inputs in ((z1.at[2].set(0), z2), (0 * z1, z2), (z1, 0 * z2), (0 * z1, 0 * z2)):
        check(inputs)


@pytest.mark.parametrize("name", PAIRS)
def test_bfloat16_views_are_computed_in_float32(name):
    assert_float32_inside(name, views(), wrt=(0, 1))


@pytest.mark.parametrize("name", PAIRS)
def test_views_that_differ_are_refused_by_name(name):
    for other in ((5, 3), (4, 2), (4,)):
        assert_refuses(name, [shaped((4, 3)), shaped(other)], 1)


def test_spectral_contrastive_takes_two_examples():
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        run("spectral_contrastive", *views(n=1))


# The uniformity of one view, a number.


@cache
def uniformity(block_size=None):
    """Jitted (z, t) -> the value and both gradients."""

    def f(z, t):
        return losses.uniformity(z, t=t, block_size=block_size)

    return jax.jit(jax.value_and_grad(f, (0, 1)))


def uniformity_of(z, t=2.0, block_size=None):
    value, _ = uniformity(block_size)(z, t)
    assert value.shape == ()
    return value


@pytest.mark.parametrize("n", [2, 7])
@pytest.mark.parametrize("block_size", BLOCKS)
def test_uniformity_is_the_references(block_size, n):
    z = views(n)[0]
    for t in (0.5, 3.0):
        expected = (
            reference.uniformity(z, t=t),
            (
                gradient(lambda z: reference.uniformity(z, t=t), z),  # noqa: B023
                gradient(lambda t: reference.uniformity(z, t=t), t),
            ),
        )
        assert_same(uniformity(block_size)(z, t), expected)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms_of_uniformity(block_size):
    f = partial(uniformity_of, block_size=block_size)
    n = 7
    z = views(n)[0]
    for t in (0.5, 2.0):
        equal(f(jnp.stack([z[0], -3 * z[0]]), t), -4 * t)
        equal(f(jnp.eye(n, n + 1), t), -2 * t)
        square = jnp.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
        equal(f(square, t), np.log((2 * np.exp(-2 * t) + np.exp(-4 * t)) / 3))
        equal(f(z.at[1:].set(0)[:2], t), -t)  # from the centre, where a row of 0 stays
        for same in (jnp.ones((n, 4)), 0 * z):
            value, (slopes, _) = uniformity(block_size)(same, t)
            equal(value, 0)
            equal(slopes, np.zeros_like(slopes))


def test_invariances_of_uniformity():
    z = views()[0]
    close = partial(equal, desired=uniformity_of(z), rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    close(uniformity_of(z[rng.permutation(7)]))
    close(uniformity_of(z @ rotation()))
    close(uniformity_of(-z))
    close(uniformity_of(z * jnp.asarray(rng.uniform(0.01, 100, (7, 1)), jnp.float32)))


def test_uniformity_prefers_rows_that_are_spread():
    z = views(n=100)[0]
    assert uniformity_of(z) < uniformity_of(z + 1) - 0.1
    assert uniformity_of(z + 1) < uniformity_of(z + 3) - 0.1


@pytest.mark.parametrize("block_size", [None, 3])
def test_extreme_inputs_of_uniformity(block_size):
    z = views()[0]
    scaled = [views(scale=scale)[0] for scale in (1e20, 1e4, 1e-8)]
    zeros = [z.at[2].set(0), z.at[2:5].set(0), 0 * z, z.at[3].set(z[2]), z.at[3].set(-z[2])]
    for inputs in (*scaled, *zeros):
        for t in (2.0, 1e4):
            value, slopes = uniformity(block_size)(inputs, t)
            expected = reference.uniformity(inputs, t=t)
            # of a distance of 0, |u|^2 + |u|^2 - 2 u . u, float32 knows 1e-7
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5 + 5e-7 * t)
            assert all(np.isfinite(g).all() for g in slopes)


@pytest.mark.parametrize("block_size", [None, 3])
def test_uniformity_of_bfloat16_is_computed_in_float32(block_size):
    z = views()[0].astype(jnp.bfloat16)
    value, (slopes, _) = uniformity(block_size)(z, 2.0)
    assert value.dtype == jnp.float32
    assert slopes.dtype == jnp.bfloat16
    np.testing.assert_allclose(value, uniformity_of(z.astype(jnp.float32)), rtol=1e-6)


@pytest.mark.parametrize("block_size", [None, 3])
def test_uniformity_takes_two_examples(block_size):
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        uniformity_of(views(n=1)[0], block_size=block_size)


def test_uniformity_of_no_matrix_is_refused_by_name():
    f = inspect.unwrap(losses.uniformity)  # without the tests' own check of types
    for shape in ((4,), (2, 4, 3)):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            jax.eval_shape(f, shaped(shape))
        assert str(shape) in str(error.value)


def test_blocks_of_uniformity_need_less_memory():
    """A matrix of 512 by 512 takes 1 MB, blocks of 16 rows or columns of it a thirty-second."""

    def temporaries(block_size):
        compilation = uniformity(block_size).lower(shaped((512, 4)), 2.0).compile()
        return compilation.memory_analysis().temp_size_in_bytes

    assert temporaries(None) > 2**20
    assert temporaries(16) < 2**19
