"""InfoNCE and NT-Xent: values, closed forms, invariances, gradients, blocks and transformations."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.references import contrastive as reference

NAMES = ["info_nce", "nt_xent"]
BLOCKS = [None, 1, 3, 7, 100]  # of 7 rows, or 14


def views(n=7, d=5, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(scale * rng.normal(size=(n, d)), jnp.float32) for _ in range(2))


def weigh(values):
    """A scalar to which every value contributes differently."""
    return (values * np.linspace(0.5, 1.5, len(values))).sum()


@cache
def value_and_gradients(name, block_size):
    """Jitted (z1, z2, temperature) -> values and the three gradients of their weighted sum."""

    def f(z1, z2, temperature):
        values = getattr(losses, name)(z1, z2, temperature=temperature, block_size=block_size)
        return weigh(values), values

    @jax.jit
    def run(*inputs):
        gradients, values = jax.grad(f, (0, 1, 2), has_aux=True)(*inputs)
        return values, *gradients

    return run


@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradients_are_the_references(name, block_size):
    z1, z2 = views()
    f = getattr(reference, name)
    for temperature in (0.2, 1.0):
        actual = value_and_gradients(name, block_size)(z1, z2, temperature)
        expected = (
            f(z1, z2, temperature=temperature),
            reference.gradient(lambda z: weigh(f(z, z2, temperature=temperature)), z1),  # noqa: B023
            reference.gradient(lambda z: weigh(f(z1, z, temperature=temperature)), z2),  # noqa: B023
            reference.gradient(lambda t: weigh(f(z1, z2, temperature=t)), temperature),
        )
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("name", "temperature"), [("info_nce", 0.1), ("nt_xent", 0.5)])
def test_default_temperature(name, temperature):
    z1, z2 = views()
    expected = getattr(reference, name)(z1, z2, temperature=temperature)
    np.testing.assert_allclose(getattr(losses, name)(z1, z2), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms(block_size):
    n, t = 6, 0.5
    info_nce, nt_xent = (
        jax.jit(partial(f, temperature=t, block_size=block_size))
        for f in (losses.info_nce, losses.nt_xent)
    )

    def equal(values, expected, size):
        np.testing.assert_allclose(values, np.full(size, expected), rtol=1e-5, atol=1e-6)

    same = jnp.ones((n, 2 * n))
    equal(info_nce(same, same), np.log(n), n)
    equal(nt_xent(same, same), np.log(2 * n - 1), 2 * n)

    orthonormal = jnp.eye(n, 2 * n)  # the positive has cosine 1 and all the negatives 0
    equal(info_nce(orthonormal, orthonormal), np.log(1 + (n - 1) * np.exp(-1 / t)), n)
    equal(nt_xent(orthonormal, orthonormal), np.log(1 + (2 * n - 2) * np.exp(-1 / t)), 2 * n)

    a, b = jnp.eye(2 * n)[:n], jnp.eye(2 * n)[n:]  # everything is orthogonal
    equal(info_nce(a, b), np.log(n), n)
    equal(nt_xent(a, b), np.log(2 * n - 1), 2 * n)


@pytest.mark.parametrize("block_size", [None, 1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_one_example_has_no_negatives(name, block_size):
    outputs = value_and_gradients(name, block_size)(*views(n=1), 0.5)
    for x in outputs:
        np.testing.assert_allclose(x, np.zeros_like(x), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_invariances(name):
    f = jax.jit(getattr(losses, name))
    z1, z2 = views()
    values = f(z1, z2)
    equal = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)

    rng = np.random.default_rng(1)
    permutation = rng.permutation(len(z1))
    halves = values.reshape(-1, len(z1))
    equal(f(z1[permutation], z2[permutation]), halves[:, permutation].reshape(-1))
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(5, 5)))[0], jnp.float32)
    equal(f(z1 @ rotation, z2 @ rotation), values)
    scales = jnp.asarray(rng.uniform(0.01, 100, (2, len(z1), 1)), jnp.float32)
    equal(f(z1 * scales[0], z2 * scales[1]), values)


def test_swapping_the_views_swaps_the_halves():
    z1, z2 = views()
    expected = jnp.roll(losses.nt_xent(z1, z2), len(z1))
    np.testing.assert_allclose(losses.nt_xent(z2, z1), expected, rtol=1e-5)


def test_info_nce_takes_its_negatives_from_the_keys_alone():
    z1, z2 = views()
    changed = losses.info_nce(z1.at[0].set(-z1[0]), z2)
    np.testing.assert_allclose(changed[1:], losses.info_nce(z1, z2)[1:], rtol=1e-6)


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_inputs(name, block_size):
    f, run = getattr(reference, name), value_and_gradients(name, block_size)
    for scale in (1e20, 1e4, 1e-8):
        z1, z2 = views(scale=scale)
        values, *gradients = run(z1, z2, 0.01)
        np.testing.assert_allclose(values, f(z1, z2, temperature=0.01), rtol=1e-4, atol=1e-3)
        assert all(np.isfinite(g).all() for g in gradients)

    z1, z2 = views()
    for a, b in ((z1.at[2].set(0), z2), (z1.at[2].set(0), z2.at[2].set(0)), (0 * z1, 0 * z2)):
        values, *gradients = run(a, b, 0.5)
        np.testing.assert_allclose(values, f(a, b, temperature=0.5), rtol=1e-5, atol=1e-5)
        assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_computed_in_float32(name, block_size):
    z1, z2 = (z.astype(jnp.bfloat16) for z in views())
    f = jax.jit(partial(getattr(losses, name), temperature=0.05, block_size=block_size))
    values = f(z1, z2)
    assert values.dtype == jnp.float32
    np.testing.assert_array_equal(values, f(z1.astype(jnp.float32), z2.astype(jnp.float32)))
    gradient = jax.eval_shape(jax.grad(lambda z: f(z, z2).mean()), z1)
    assert gradient.dtype == jnp.bfloat16


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_differ_are_refused_by_name(name):
    f = inspect.unwrap(getattr(losses, name))  # without the tests' own check of types
    for a, b in (((4, 3), (5, 3)), ((4, 3), (4, 2)), ((4, 3), (4,))):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            jax.eval_shape(
                f, jax.ShapeDtypeStruct(a, "float32"), jax.ShapeDtypeStruct(b, "float32")
            )
        assert str(a) in str(error.value)
        assert str(b) in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_need_less_memory(name):
    """A matrix of 512 by 512 takes 1 MB, blocks of 16 rows or columns of it a thirty-second."""
    z = jax.ShapeDtypeStruct((512, 4), "float32")

    def megabytes(block_size):
        f = getattr(losses, name)
        gradient = jax.grad(lambda z1, z2: f(z1, z2, block_size=block_size).mean(), (0, 1))
        compiled = jax.jit(gradient).lower(z, z).compile()
        return compiled.memory_analysis().temp_size_in_bytes / 2**20

    assert megabytes(None) > 1
    assert megabytes(16) < 0.5


@pytest.mark.parametrize("name", ["info_nce", "nt_xent", "clip"])
def test_memory_in_blocks_is_linear(name):
    """Compiled, not run: under 48 MB at n = 8,192 (all at once 1.1 GB), no more a pair later."""
    numbers = {"logit_scale": 10.0} if name == "clip" else {}

    def megabytes(n):
        z = jax.ShapeDtypeStruct((n, 128), jnp.float32)

        def mean(a, b):
            return getattr(losses, name)(a, b, block_size=1024, **numbers).mean()

        compiled = jax.jit(jax.value_and_grad(mean, argnums=(0, 1))).lower(z, z).compile()
        return compiled.memory_analysis().temp_size_in_bytes / 2**20

    assert megabytes(8192) < 48
    assert megabytes(65536) < 8 * 48
