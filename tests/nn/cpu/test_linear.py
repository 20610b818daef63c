"""The gradients of the linear layer are summed in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.cpu.linear import linear, product_over_rows


def draw(*shape):
    return jax.random.normal(jax.random.key(sum(shape)), shape)


@pytest.mark.parametrize(("i", "o"), [(3, 7), (7, 3), (4, 4)])
def test_product_over_rows(i, o):
    a, b = draw(50, i), draw(50, o)
    expected = np.asarray(a, np.float64).T @ np.asarray(b, np.float64)
    np.testing.assert_allclose(jax.jit(product_over_rows)(a, b), expected, rtol=1e-5, atol=1e-5)


def test_sums_are_in_float32():
    ones = jnp.ones((257, 2), jnp.bfloat16)  # 257 does not exist in bfloat16
    np.testing.assert_array_equal(product_over_rows(ones, ones), np.full((2, 2), 257.0))


def test_the_gradient_of_the_bias_is_summed_in_float32():
    x = jnp.ones((3, 171, 1), jnp.bfloat16)  # 513 positions; bfloat16 counts to 512
    one = jnp.ones((1, 1)), jnp.ones(1)
    gradient = jax.grad(lambda bias: linear(x, one[0], bias).astype(jnp.float32).sum())(one[1])
    assert gradient == 513.0
