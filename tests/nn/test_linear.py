"""Linear layers: values and gradients are the plain product's, its sums in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.linear import Linear, product_over_rows


def draw(*shape, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(sum(shape)), shape, dtype)


@pytest.mark.parametrize(("i", "o"), [(3, 7), (7, 3), (4, 4)])
def test_product_over_rows(i, o):
    a, b = draw(50, i), draw(50, o)
    expected = np.asarray(a, np.float64).T @ np.asarray(b, np.float64)
    np.testing.assert_allclose(jax.jit(product_over_rows)(a, b), expected, rtol=1e-5, atol=1e-5)


def test_sums_are_in_float32():
    ones = jnp.ones((257, 2), jnp.bfloat16)  # bfloat16 has no 257
    np.testing.assert_array_equal(product_over_rows(ones, ones), np.full((2, 2), 257.0))


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradients_are_those_of_nnx_linear(shape, bias):
    ours = Linear(3, 6, use_bias=bias, rngs=nnx.Rngs(0))
    plain = nnx.Linear(3, 6, use_bias=bias, rngs=nnx.Rngs(0))
    x = draw(*shape)

    def value_and_gradients(module):
        graph, params = nnx.split(module)
        return jax.value_and_grad(lambda p, x: jnp.sin(nnx.merge(graph, p)(x)).sum(), (0, 1))(
            params, x
        )

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        jax.tree.leaves(value_and_gradients(ours)),
        jax.tree.leaves(value_and_gradients(plain)),
    )


def test_bias_s_gradient_is_summed_in_float32():
    layer = Linear(1, 1, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    graph, params = nnx.split(layer)
    x = jnp.ones((3, 171, 1), jnp.bfloat16)  # 513 positions, of which bfloat16 counts 512
    gradient = jax.grad(lambda p: nnx.merge(graph, p)(x).astype(jnp.float32).sum())(params)
    assert gradient["bias"][...] == 513.0
