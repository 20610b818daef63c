"""Sinkhorn-Knopp and SwAV: values, closed forms, invariances, gradients, transformations."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import assert_transformable, weigh
from tests.references import clustering as reference
from tests.references.arrays import gradient

N, K = 7, 4
sinkhorn = jax.jit(losses.sinkhorn, static_argnames=("epsilon", "iterations"))
swav = jax.jit(losses.swav, static_argnames=("epsilon", "iterations"))


def scores(n=N, k=K, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(scale * rng.normal(size=(n, k)), jnp.float32) for _ in range(2))


@partial(jax.jit, static_argnums=3)
def value_and_gradients(scores1, scores2, temperature, epsilon):
    """Returns the values of swav and the three gradients of their weighted sum."""

    def f(scores1, scores2, temperature):
        values = losses.swav(scores1, scores2, temperature=temperature, epsilon=epsilon)
        return weigh(values), values

    gradients, values = jax.grad(f, (0, 1, 2), has_aux=True)(scores1, scores2, temperature)
    return values, *gradients


@pytest.mark.parametrize("iterations", [1, 3, 6])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_sinkhorn_matches_the_reference(iterations, epsilon):
    for x in scores():
        expected = reference.sinkhorn(x, epsilon=epsilon, iterations=iterations)
        codes = sinkhorn(x, epsilon=epsilon, iterations=iterations)
        np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-6)


def test_swav_and_its_gradients_match_the_reference():
    """The reference holds the assignments fixed: no gradient goes through them."""
    s1, s2 = scores()
    for temperature, epsilon in ((0.2, 0.3), (1.0, 0.05)):
        actual = value_and_gradients(s1, s2, temperature, epsilon)
        q1, q2 = (reference.sinkhorn(s, epsilon=epsilon) for s in (s1, s2))
        f = reference.swapped
        expected = (
            reference.swav(s1, s2, temperature=temperature, epsilon=epsilon),
            gradient(lambda s: weigh(f(s, s2, q1, q2, temperature=temperature)), s1),  # noqa: B023
            gradient(lambda s: weigh(f(s1, s, q1, q2, temperature=temperature)), s2),  # noqa: B023
            gradient(lambda t: weigh(f(s1, s2, q1, q2, temperature=t)), temperature),  # noqa: B023
        )
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-4, atol=5e-5)


def test_defaults():
    s1, s2 = scores()
    np.testing.assert_allclose(sinkhorn(s1), reference.sinkhorn(s1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(swav(s1, s2), reference.swav(s1, s2), rtol=1e-5, atol=1e-5)
    expected = reference.swav(s1, s2, iterations=5)
    np.testing.assert_allclose(swav(s1, s2, iterations=5), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "k"), [(7, 4), (3, 8), (6, 6), (5, 1)])
def test_row_and_column_sums_of_sinkhorn(n, k):
    x = scores(n, k)[0]
    np.testing.assert_allclose(sinkhorn(x).sum(1), np.ones(n), rtol=1e-5)
    codes = sinkhorn(x, epsilon=2.0, iterations=12)
    np.testing.assert_allclose(codes.sum(1), np.ones(n), rtol=1e-5)
    np.testing.assert_allclose(codes.sum(0), np.full(k, n / k), rtol=1e-4)


def test_closed_forms():
    equal = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    same = jnp.full((N, K), 0.3)
    equal(sinkhorn(same), np.full((N, K), 1 / K))
    equal(swav(same, same), np.full(N, np.log(K)))
    equal(swav(same, scores()[0] * 0), np.full(N, np.log(K)))
    equal(sinkhorn(jnp.eye(K)), np.eye(K))  # off the diagonal exp(-20) remains
    equal(swav(jnp.eye(K), jnp.eye(K), temperature=0.01), np.zeros(K))
    expected = np.log(K - 1 + np.exp(1 / 0.1)) - 1 / 0.1
    equal(swav(jnp.eye(K), jnp.eye(K)), np.full(K, expected), atol=1e-5)
    collapsed = jnp.eye(K)[jnp.zeros(K, int)]  # all prefer one prototype, so they share all equally
    equal(sinkhorn(collapsed), np.full((K, K), 1 / K))


def test_one_and_two_examples():
    for n in (1, 2):
        s1, s2 = scores(n)
        expected = reference.sinkhorn(s1, epsilon=0.5)
        np.testing.assert_allclose(sinkhorn(s1, epsilon=0.5), expected, rtol=1e-4)
        np.testing.assert_allclose(swav(s1, s2), reference.swav(s1, s2), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sinkhorn(scores(1)[0]), np.full((1, K), 1 / K), rtol=1e-5)


def test_invariances():
    s1, s2 = scores()
    codes, values = sinkhorn(s1, epsilon=0.5), swav(s1, s2, epsilon=0.5)
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)

    rows, columns = rng.permutation(N), rng.permutation(K)
    equal(sinkhorn(s1[rows], epsilon=0.5), codes[rows])
    equal(sinkhorn(s1[:, columns], epsilon=0.5), codes[:, columns])
    equal(swav(s1[rows], s2[rows], epsilon=0.5), values[rows])
    equal(swav(s1[:, columns], s2[:, columns], epsilon=0.5), values)

    equal(swav(s2, s1, epsilon=0.5), values)
    equal(sinkhorn(s1 + jnp.asarray(rng.normal(size=K), jnp.float32), epsilon=0.5), codes)
    equal(swav(s1 + 3, s2 - 2, epsilon=0.5), values)
    equal(sinkhorn(8 * s1, epsilon=4.0), codes)


def test_extreme_scores():
    for scale in (1e4, 0.0):
        s1, s2 = scores(scale=scale)
        codes = sinkhorn(s1, epsilon=0.01)
        assert np.isfinite(codes).all()
        np.testing.assert_allclose(codes.sum(1), np.ones(N), rtol=1e-4)
        values, *gradients = value_and_gradients(s1, s2, 0.01, 0.01)
        assert np.isfinite(values).all()
        assert all(np.isfinite(g).all() for g in gradients)
    np.testing.assert_allclose(sinkhorn(1e4 * jnp.eye(K)), np.eye(K), atol=1e-6)
    values = swav(1e4 * jnp.eye(K), 1e4 * jnp.eye(K), temperature=0.01)
    np.testing.assert_allclose(values, np.zeros(K), atol=1e-6)
    sinkhorn_gradient = jax.jit(jax.grad(lambda s: (losses.sinkhorn(s, epsilon=0.01) ** 2).sum()))
    assert np.isfinite(sinkhorn_gradient(scores(scale=1e4)[0])).all()


def test_bfloat16_is_computed_in_float32():
    narrow = [s.astype(jnp.bfloat16) for s in scores()]
    wide = [s.astype(jnp.float32) for s in narrow]
    assert sinkhorn(narrow[0]).dtype == swav(*narrow).dtype == jnp.float32
    np.testing.assert_array_equal(sinkhorn(narrow[0]), sinkhorn(wide[0]))
    np.testing.assert_array_equal(swav(*narrow), swav(*wide))
    gradients = jax.eval_shape(jax.grad(lambda s: swav(s, narrow[1]).mean()), narrow[0])
    assert gradients.dtype == jnp.bfloat16


@pytest.mark.parametrize("shapes", [((4, 3), (5, 3)), ((4, 3), (4, 2)), ((4, 3), (4,))])
def test_mismatched_shapes_are_rejected(shapes):
    f = inspect.unwrap(losses.swav)  # without the type checks of the tests
    with pytest.raises(ValueError) as error:  # noqa: PT011
        jax.eval_shape(f, *(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes))
    for shape in shapes:
        assert str(shape) in str(error.value)


def test_sinkhorn_rejects_a_vector():
    f = inspect.unwrap(losses.sinkhorn)
    with pytest.raises(ValueError, match=r"\(4,\)"):
        jax.eval_shape(f, jax.ShapeDtypeStruct((4,), "float32"))


def test_vmap_scan_and_checkpoint():
    def f(s1, s2):
        return weigh(losses.swav(s1, s2)) + weigh(losses.sinkhorn(s1)[:, 0])

    assert_transformable(f, [scores(seed=seed) for seed in range(3)])
