"""Interpolated positions, by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.positions import interpolated

RNG = np.random.default_rng(0)


def kernel(x, a=-0.75):
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


@pytest.mark.parametrize(
    ("size", "shape"), [((4, 5), (7, 3)), ((14, 14), (6, 6)), ((2, 3), (5, 8))]
)
def test_each_new_position_is_a_sum_over_sixteen_old_ones(size, shape):
    positions = RNG.normal(size=(*size, 3)).astype(np.float32)
    expected = np.zeros((*shape, 3))
    for i, j in np.ndindex(*shape):
        y, x = ((k + 0.5) * n / m - 0.5 for k, n, m in zip((i, j), size, shape, strict=True))
        for v in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
            for u in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                inside = positions[min(max(v, 0), size[0] - 1), min(max(u, 0), size[1] - 1)]
                expected[i, j] += kernel(y - v) * kernel(x - u) * inside
    found = jax.jit(interpolated, static_argnums=(1, 2))(positions, *shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_at_the_same_size_nothing_changes():
    positions = RNG.normal(size=(4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(interpolated(jnp.asarray(positions), 4, 4), positions)


def test_shrinking_does_not_average():
    """Independent positions keep about their size; averages of 16 would have a quarter of it."""
    positions = RNG.normal(size=(32, 32, 50)).astype(np.float32)
    assert np.asarray(interpolated(jnp.asarray(positions), 8, 8)).std() > 0.6
