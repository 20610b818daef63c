"""Barlow Twins, VICReg, W-MSE and CCA: values, closed forms, invariances, gradients."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from ssl_jax import losses
from tests.losses.checks import assert_transformable
from tests.references import decorrelation as reference
from tests.references.arrays import gradient

CASES = {  # numbers of each loss that differ from the defaults
    "barlow_twins": {"redundancy_weight": 0.1},
    "vicreg": {"invariance": 2.0, "variance": 3.0, "covariance": 0.5},
    "whitening_mse": {"epsilon": 0.1},
    "cca": {"epsilon": 0.1},
}


def views(n=12, d=4, seed=0, scale=1.0):
    """Returns two correlated views whose features have different means and deviations."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    z = [(shared + rng.normal(size=(n, d))) @ rng.normal(size=(d, d)) for _ in range(2)]
    z = [0.4 * x + rng.normal(size=d) for x in z]
    return tuple(jnp.asarray(scale * x, jnp.float32) for x in z)


def uncorrelated(d=8):
    """Returns uncorrelated features [8, d] of mean 0 and biased variance 1."""
    return jnp.asarray(scipy.linalg.hadamard(8)[:, 1 : d + 1], jnp.float32)


@cache
def compiled(name, **options):
    return jax.jit(partial(getattr(losses, name), **options))


@cache
def value_and_gradients(name):
    """Returns a jitted function (z1, z2) -> value and both gradients, with the numbers of CASES."""
    f = partial(getattr(losses, name), **CASES[name])
    return jax.jit(jax.value_and_grad(f, (0, 1)))


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_match_the_reference(name):
    f = partial(getattr(reference, name), **CASES[name])
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=2e-5)
    for seed in range(2):
        z1, z2 = views(seed=seed)
        value, gradients = value_and_gradients(name)(z1, z2)
        equal(value, f(z1, z2))
        equal(gradients[0], gradient(lambda z: f(z, z2), z1))  # noqa: B023
        equal(gradients[1], gradient(lambda z: f(z1, z), z2))  # noqa: B023


@pytest.mark.parametrize("name", CASES)
def test_defaults(name):
    z1, z2 = views()
    value = compiled(name)(z1, z2)
    assert value.shape == ()
    np.testing.assert_allclose(value, getattr(reference, name)(z1, z2), rtol=1e-4)


@pytest.mark.parametrize("components", [1, 2, 4])
def test_cca_takes_the_largest_correlations(components):
    z1, z2 = views()
    f = jax.jit(jax.value_and_grad(partial(losses.cca, components=components)))
    value, gradients = f(z1, z2)
    expected = partial(reference.cca, components=components)
    np.testing.assert_allclose(value, expected(z1, z2), rtol=1e-4)
    expected_gradients = gradient(lambda z: expected(z, z2), z1)
    np.testing.assert_allclose(gradients, expected_gradients, rtol=1e-3, atol=1e-4)


def test_closed_forms_of_barlow_twins():
    f, z = compiled("barlow_twins"), uncorrelated()
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    n, d = z.shape
    equal(f(z, z), 0)
    equal(f(z, 5 * z + 3), 0)
    equal(f(z, -z), 4 * d)
    equal(f(z[:, :3], z[:, 3:6]), 3)
    equal(f(z, jnp.roll(z, 1, axis=1)), d + 5e-3 * d)
    same = jnp.tile(z[:, :1], (1, d))
    equal(f(same, same), 5e-3 * d * (d - 1))
    equal(f(jnp.ones((n, d)), jnp.ones((n, d))), d)


def test_closed_forms_of_vicreg():
    f, z = compiled("vicreg"), uncorrelated()
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    n, d = z.shape
    ones = jnp.ones((n, d))
    equal(f(ones, ones), 25 * 0.99)  # the deviations are sqrt(1e-4), and the hinge is halved
    equal(f(ones, 3 * ones), 25 * 4 + 25 * 0.99)
    equal(f(2 * z, 2 * z), 0)
    equal(f(2 * z, -2 * z), 25 * 16)
    deviation = np.sqrt(0.25 * n / (n - 1) + 1e-4)
    equal(f(0.5 * z, 0.5 * z), 25 * (1 - deviation))
    same = jnp.tile(z[:, :1], (1, d))
    equal(f(same, same), 2 * (d - 1) * (n / (n - 1)) ** 2)


def test_closed_forms_of_whitening_mse():
    f, z = compiled("whitening_mse"), views()[0]
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    equal(f(z, z), 0)
    equal(f(z, z + 5), 0)
    equal(f(z, -z), 4)
    features = uncorrelated(6)
    equal(f(features, 3 * features), 0)
    equal(f(features[:, :3], features[:, 3:]), 2)  # rows of signs whose angles average 90°


def test_closed_forms_of_cca():
    f, z = compiled("cca"), uncorrelated()
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    d = z.shape[1]
    equal(f(z, z), -d / 1.0001)
    equal(f(z, -z[:, ::-1]), -d / 1.0001)  # canonical correlations have no sign
    equal(f(z[:, :3], z[:, 3:6]), 0, atol=1e-4)
    rho = np.array([0.9, 0.5, 0.2])
    mixed = jnp.asarray(rho * z[:, :3] + np.sqrt(1 - rho**2) * z[:, 3:6], jnp.float32)
    equal(f(z[:, :3], mixed), -rho.sum() / 1.0001)
    equal(compiled("cca", components=2)(z[:, :3], mixed), -1.4 / 1.0001)


@pytest.mark.parametrize("name", CASES)
def test_invariances(name):
    f = compiled(name)
    z1, z2 = views()
    rng = np.random.default_rng(1)
    equal = partial(np.testing.assert_allclose, desired=f(z1, z2), rtol=1e-3)

    rows, columns = rng.permutation(len(z1)), rng.permutation(z1.shape[1])
    equal(f(z1[rows], z2[rows]))
    equal(f(z2, z1))
    if name != "whitening_mse":  # Cholesky depends on the order of the features
        equal(f(z1[:, columns], z2[:, columns]))
    if name == "vicreg":
        equal(f(z1 + 3, z2 + 3))
    else:
        equal(f(z1 + 3, z2 - 2))


def test_rotations_and_scales():
    z1, z2 = views()
    rng = np.random.default_rng(1)
    q1, q2 = (jnp.asarray(np.linalg.qr(rng.normal(size=(4, 4)))[0], jnp.float32) for _ in "12")
    equal = partial(np.testing.assert_allclose, rtol=1e-3)

    cca = compiled("cca")
    equal(cca(z1 @ q1, z2 @ q2), cca(z1, z2))
    exact = compiled("cca", epsilon=1e-7)
    mixed = z1 @ jnp.asarray(np.eye(4) + 0.3 * rng.normal(size=(4, 4)), jnp.float32)
    equal(exact(mixed, 9 * z2), exact(z1, z2))

    exact = compiled("whitening_mse", epsilon=1e-7)
    lower = jnp.asarray(np.tril(0.3 * rng.normal(size=(4, 4)), -1) + np.diag([1, 2, 3, 4]))
    equal(exact(z1 @ lower.T.astype(jnp.float32), 9 * z2), exact(z1, z2))

    barlow_twins = compiled("barlow_twins")
    scales = jnp.asarray(rng.uniform(1, 100, (2, 4)), jnp.float32)
    equal(barlow_twins(z1 * scales[0], z2 * scales[1]), barlow_twins(z1, z2))

    vicreg = compiled("vicreg", variance=0.0, covariance=0.0)
    equal(vicreg(z1 @ q1, z2 @ q1), vicreg(z1, z2))


@pytest.mark.parametrize("name", CASES)
def test_extreme_inputs(name):
    f, run = partial(getattr(reference, name), **CASES[name]), value_and_gradients(name)
    z1, z2 = views(scale=1e4)
    value, gradients = run(z1, z2)
    np.testing.assert_allclose(value, f(z1, z2), rtol=1e-3)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))

    z1, z2 = views()
    zeros = ((z1.at[2].set(0), z2), (z1.at[:, 1].set(0), z2), (0 * z1, z2), (0 * z1, 0 * z2))
    for a, b in (*zeros, (z1, z1), (1 + 0 * z1, 1 + 0 * z2)):
        value, gradients = run(a, b)
        np.testing.assert_allclose(value, f(a, b), rtol=1e-4, atol=1e-5)
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize("name", CASES)
def test_two_examples(name):
    """Fewer examples than features: the covariances have rank 1."""
    z1, z2 = views(n=2, d=3)
    value, gradients = value_and_gradients(name)(z1, z2)
    expected = getattr(reference, name)(z1, z2, **CASES[name])
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize(("name", "expected"), [("barlow_twins", 4), ("cca", 0)])
def test_one_example_has_no_variance(name, expected):
    value, gradients = value_and_gradients(name)(*views(n=1))
    np.testing.assert_allclose(value, expected, atol=1e-6)
    for g in gradients:
        np.testing.assert_allclose(g, np.zeros_like(g), atol=1e-6)


@pytest.mark.parametrize("name", ["vicreg", "whitening_mse"])
def test_unbiased_variance_needs_two_examples(name):
    with pytest.raises(ValueError, match=r"\(1, 4\)"):
        compiled(name)(*views(n=1))


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_is_computed_in_float32(name):
    narrow = [z.astype(jnp.bfloat16) for z in views()]
    f = compiled(name)
    value = f(*narrow)
    assert value.dtype == jnp.float32
    np.testing.assert_array_equal(value, f(*(z.astype(jnp.float32) for z in narrow)))
    gradients = jax.eval_shape(jax.grad(f), *narrow)
    assert gradients.dtype == jnp.bfloat16


@pytest.mark.parametrize("name", CASES)
def test_mismatched_shapes_are_rejected(name):
    f = inspect.unwrap(getattr(losses, name))  # without the type checks of the tests
    shapes = [((4, 3), (5, 3)), ((4, 3), (4,))]
    if name != "cca":  # cca accepts views of different width
        shapes.append(((4, 3), (4, 2)))
    for a, b in shapes:
        with pytest.raises(ValueError) as error:  # noqa: PT011
            jax.eval_shape(
                f, jax.ShapeDtypeStruct(a, "float32"), jax.ShapeDtypeStruct(b, "float32")
            )
        assert str(a) in str(error.value)
        assert str(b) in str(error.value)


@pytest.mark.parametrize("name", CASES)
def test_vmap_scan_and_checkpoint(name):
    f = partial(getattr(losses, name), **CASES[name])
    assert_transformable(f, [views(seed=seed) for seed in range(3)], rtol=1e-4)
