"""``device_constants`` finds device arrays wherever a function closes over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.constants import device_constants

ARRAY, KEY = jnp.arange(3.0), jax.random.key(0)


def scanned(x):
    return jax.lax.scan(lambda carry, _: (carry + ARRAY, None), x, length=2)[0]


@jax.custom_vjp
def own_gradient(x):
    return x + ARRAY


own_gradient.defvjp(lambda x: (x, None), lambda _, dy: (dy * ARRAY,))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + ARRAY,
        lambda x: x + jax.random.normal(KEY, (3,)),
        lambda x: x + jnp.float32(ARRAY[0]),
        scanned,
        jax.jit(scanned),
        jax.checkpoint(scanned),
        lambda x: jax.lax.cond(x[0] > 0, scanned, lambda x: x, x),
        jax.value_and_grad(lambda x: own_gradient(x).sum()),
    ],
)
def test_device_arrays_that_are_closed_over_are_found(f):
    assert device_constants(jax.jit(f).trace(np.ones(3, np.float32)).jaxpr)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (
            x + np.arange(3.0, dtype=np.float32) + jnp.asarray((1.0, 2.0, 3.0)) + jnp.zeros(3)
        ),
        lambda x: x + jax.random.normal(jax.random.key(0), (3,)),
    ],
)
def test_numbers_and_numpy_arrays_are_not_reported(f):
    assert not device_constants(jax.jit(f).trace(np.ones(3, np.float32)).jaxpr)
