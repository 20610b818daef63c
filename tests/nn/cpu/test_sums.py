"""Sums over positions: values, gradients, and summing over one axis first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.cpu.sums import broadcast, sum_positions

SHAPES = [(6, 5), (4, 3, 5), (4, 3, 2, 5)]


def draw(*shape):
    return 2 + 3 * jax.random.normal(jax.random.key(len(shape)), shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_sum_positions_sums_over_all_axes_but_the_last(shape):
    x = draw(*shape)
    expected = np.asarray(x, np.float64).reshape(-1, 5).sum(0)
    np.testing.assert_allclose(jax.jit(sum_positions)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_summing_and_broadcasting_are_each_other_s_gradients(shape):
    x, v = draw(*shape), draw(5)
    np.testing.assert_array_equal(
        jax.grad(lambda x: (sum_positions(x) * v).sum())(x), jnp.broadcast_to(v, shape)
    )
    np.testing.assert_allclose(
        jax.grad(lambda v: (broadcast(v, shape) * x).sum())(v), sum_positions(x), rtol=1e-6
    )


def test_one_axis_is_summed_first():
    text = jax.jit(sum_positions).lower(draw(4, 3, 2, 5)).as_text()
    assert text.count("stablehlo.reduce(") == 2
