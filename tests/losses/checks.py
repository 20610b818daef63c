"""Helpers of the tests of the losses: compare a loss with its reference, check what it rejects."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.references.arrays import gradient

equal = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)


def normal(*shape, seed=0, scale=1.0):
    return jnp.asarray(scale * np.random.default_rng(seed).normal(size=shape), jnp.float32)


def weigh(values):
    """Returns a weighted sum in which every value has its own weight."""
    return (values * np.linspace(0.5, 1.5, len(values))).sum()


def defaults(name):
    """Returns the defaults of the keyword-only arguments."""
    parameters = inspect.signature(getattr(losses, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}


@cache
def compiled(name, wrt, options):
    """Returns ``evaluate`` of one loss as a jitted function of (numbers, *inputs)."""

    def f(numbers, *inputs):
        values = getattr(losses, name)(*inputs, **numbers, **dict(options))
        return weigh(values), values

    @jax.jit
    def run(numbers, *inputs):
        argnums = (0, *(i + 1 for i in wrt))
        gradients, values = jax.grad(f, argnums, has_aux=True)(numbers, *inputs)
        return values, gradients

    return run


def evaluate(name, inputs, *, wrt, numbers=None, **options):
    """Returns the values and the gradients of their weighted sum for numbers and inputs[wrt]."""
    options = {key: x for key, x in options.items() if x is not None}
    return compiled(name, wrt, tuple(options.items()))(numbers or {}, *inputs)


def expected_of(f, inputs, *, wrt, numbers=None, **options):
    """Returns what ``evaluate`` should: the reference's values and its finite differences."""
    inputs, numbers = [np.asarray(x) for x in inputs], numbers or {}

    def replaced(i, x):
        return weigh(f(*inputs[:i], x, *inputs[i + 1 :], **numbers, **options))

    by_number = {
        key: gradient(lambda x: weigh(f(*inputs, **{**numbers, key: x}, **options)), number)  # noqa: B023
        for key, number in numbers.items()
    }
    by_input = [gradient(partial(replaced, i), inputs[i]) for i in wrt]
    return f(*inputs, **numbers, **options), (by_number, *by_input)


def assert_same(actual, expected, rtol=2e-5, atol=2e-5):
    leaves = zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    for a, e in leaves:
        np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)


def assert_agrees(name, f, inputs, *, wrt, numbers=None, **options):
    """Checks values and gradients of a loss against the reference ``f``."""
    actual = evaluate(name, inputs, wrt=wrt, numbers=numbers, **options)
    assert_same(actual, expected_of(f, inputs, wrt=wrt, numbers=numbers, **options))


def assert_finite(name, f, inputs, *, wrt, numbers=None, atol=1e-5, **options):
    """Checks values against the reference ``f``, and that gradients are finite."""
    values, gradients = evaluate(name, inputs, wrt=wrt, numbers=numbers, **options)
    options.pop("block_size", None)  # the reference has no blocks
    references = f(*(np.asarray(x) for x in inputs), **(numbers or {}), **options)
    np.testing.assert_allclose(values, references, rtol=1e-4, atol=atol)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def assert_float32_inside(name, inputs, *, wrt, numbers=None, **options):
    """Checks that bfloat16 inputs give the values of the same numbers in float32."""

    def cast(inputs, dtype):
        return [x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x for x in inputs]

    narrow = cast(inputs, jnp.bfloat16)
    wide = cast(narrow, jnp.float32)
    values, (_, *gradients) = evaluate(name, narrow, wrt=wrt, numbers=numbers, **options)
    expected, _ = evaluate(name, wide, wrt=wrt, numbers=numbers, **options)
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)
    assert all(g.dtype == jnp.bfloat16 for g in gradients)


def shaped(shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


def assert_rejects(name, inputs, wrong, **options):
    """Checks the error while tracing: it shows the shape of inputs[wrong] and of another input."""
    f = inspect.unwrap(getattr(losses, name))  # without the type checks of the tests
    with pytest.raises(ValueError) as error:  # noqa: PT011
        jax.eval_shape(partial(f, **options), *inputs)
    assert str(inputs[wrong].shape) in str(error.value)
    assert any(str(x.shape) in str(error.value) for i, x in enumerate(inputs) if i != wrong)


def assert_transformable(f, batches, rtol=1e-5, atol=1e-5):
    """Checks that vmap, scan and checkpoint change no value and no gradient of the scalar ``f``."""
    wrt = tuple(range(len(batches[0])))
    wrt = tuple(i for i in wrt if jnp.issubdtype(batches[0][i].dtype, jnp.floating))
    plain, remat = jax.value_and_grad(f, wrt), jax.value_and_grad(jax.checkpoint(f), wrt)
    inputs = tuple(jnp.stack(x) for x in zip(*batches, strict=True))
    single = jax.jit(plain)
    expected = jax.tree.map(lambda *x: np.stack(x), *[single(*batch) for batch in batches])
    _, scanned = jax.jit(partial(jax.lax.scan, lambda _, x: (None, remat(*x)), None))(inputs)
    assert_same(jax.jit(jax.vmap(plain))(*inputs), expected, rtol, atol)
    assert_same(scanned, expected, rtol, atol)


def assert_memory_is_linear(name, **numbers):
    """Checks the compiled program: under 48 MB at n = 8,192 (1.1 GB at once), then linear in n."""

    def megabytes(n):
        z = shaped((n, 128))

        def mean(a, b):
            return getattr(losses, name)(a, b, block_size=1024, **numbers).mean()

        compiled = jax.jit(jax.value_and_grad(mean, argnums=(0, 1))).lower(z, z).compile()
        return compiled.memory_analysis().temp_size_in_bytes / 2**20

    assert megabytes(8192) < 48
    assert megabytes(65536) < 8 * 48
