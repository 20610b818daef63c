"""Schedules at steps where their values are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.methods.common.schedules import cosine, linear


@pytest.mark.parametrize(("step", "expected"), [(0, 0.2), (50, 0.6), (100, 1.0), (150, 1.0)])
def test_cosine_values(step, expected):
    np.testing.assert_allclose(cosine(0.2, 1.0, jnp.int32(step), 100), expected, rtol=1e-6)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.04), (25, 0.05), (75, 0.07), (90, 0.07)])
def test_linear_values(step, expected):
    np.testing.assert_allclose(linear(0.04, 0.07, jnp.int32(step), 75), expected, rtol=1e-6)


def test_linear_over_zero_steps_starts_at_its_end_value():
    assert linear(0.0, 1.0, jnp.int32(0), 0) == 1.0
