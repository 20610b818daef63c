"""GELU matches SciPy's error function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from ssl_jax.nn.gelu import gelu

pytestmark = pytest.mark.usefixtures("both_forms")
POINTS = np.array([-30, -6, -2.5, -1, -1e-3, 0, 1e-3, 1, 2.5, 6, 30])


def cdf(x):
    return 0.5 * (1 + erf(x / np.sqrt(2)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-6), (jnp.bfloat16, 0.01)])
def test_values_and_gradients_match_scipy(dtype, tolerance):
    x = np.asarray(jnp.asarray(POINTS, dtype), np.float64)
    y, gradient = jax.vmap(jax.value_and_grad(gelu))(jnp.asarray(x, dtype))
    assert y.dtype == gradient.dtype == dtype
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(np.asarray(y, float), x * cdf(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        np.asarray(gradient, float), cdf(x) + x * density, rtol=tolerance, atol=tolerance
    )
