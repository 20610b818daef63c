"""Standardization of an image by its own statistics."""

import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.augment.pixels import standardize
from tests.augment import picture


@pytest.mark.parametrize("c", [1, 3])
def test_channels_have_mean_0_and_all_together_deviation_1(c):
    images = jnp.stack([picture(5, 6, c, seed) for seed in range(2)])
    for found, image in zip(standardize(images), images, strict=True):
        expected = np.array(image, np.float64)
        for channel in range(c):
            expected[..., channel] -= expected[..., channel].mean()
        expected /= np.sqrt((expected**2).mean())
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(standardize(0.3 * image + 0.5), found, atol=1e-4)


def test_differences_below_a_gray_level_stay_faint():
    flat = np.full((4, 4, 1), 0.7, np.float32)
    np.testing.assert_allclose(standardize(jnp.asarray(flat)), 0, atol=1e-4)
    flat[0, 0] += 1e-3  # a deviation of 1e-3 * sqrt(15) / 16, below 1 / 255
    expected = 255 * (flat.astype(np.float64) - flat.mean(dtype=np.float64))
    np.testing.assert_allclose(standardize(jnp.asarray(flat)), expected, atol=1e-4)
