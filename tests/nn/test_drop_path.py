"""Drop path: shares, mean, and scales."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.nn.drop_path import drop_path, scaled


def test_later_branches_are_dropped_more_often_and_the_mean_is_kept():
    factors = np.asarray(drop_path(jax.random.key(0), 4000, 5, 0.4))
    kept = 1 - 0.4 * np.arange(5) / 4
    np.testing.assert_allclose((factors > 0).mean(0), kept, atol=0.03)
    np.testing.assert_allclose(factors.mean(0), np.ones(5), atol=0.05)
    for column, share in zip(factors.T, kept, strict=True):
        np.testing.assert_allclose(column[column > 0], 1 / share, rtol=1e-6)


def test_each_example_is_scaled_by_its_factor():
    branch = jnp.ones((3, 2, 2))
    np.testing.assert_allclose(scaled(branch, jnp.arange(3.0))[:, 0, 0], [0, 1, 2])
    assert scaled(branch, None) is branch
    assert scaled(branch.astype(jnp.bfloat16), jnp.arange(3.0)).dtype == jnp.bfloat16
