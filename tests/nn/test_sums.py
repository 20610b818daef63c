"""Sums over positions: values, gradients, and one axis first on a CPU alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.sums import spread, sum_positions

SHAPES = [(6, 5), (4, 3, 5), (4, 3, 2, 5)]


def draw(*shape):
    return 2 + 3 * jax.random.normal(jax.random.key(len(shape)), shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_sum_positions(shape):
    x = draw(*shape)
    expected = np.asarray(x, np.float64).reshape(-1, 5).sum(0)
    np.testing.assert_allclose(jax.jit(sum_positions)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_summing_and_spreading_are_each_other_s_gradients(shape):
    x, v = draw(*shape), draw(5)
    np.testing.assert_array_equal(
        jax.grad(lambda x: (sum_positions(x) * v).sum())(x), jnp.broadcast_to(v, shape)
    )
    np.testing.assert_allclose(
        jax.grad(lambda v: (spread(v, shape) * x).sum())(v), sum_positions(x), rtol=1e-6
    )


def test_sums_over_one_axis_first_on_a_cpu_alone():
    traced = jax.jit(sum_positions).trace(draw(4, 3, 2, 5))
    texts = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda", "tpu")}
    counts = {platform: text.count("stablehlo.reduce(") for platform, text in texts.items()}
    assert counts == {"cpu": 2, "cuda": 1, "tpu": 1}
