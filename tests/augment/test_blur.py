"""Gaussian blur: against scipy, the reference and the distribution of sigma."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from ssl_jax import augment
from ssl_jax.augment.blur import blur
from tests.augment import draws, picture
from tests.references import augment as reference


def impulse(h, w, c=1):
    return jnp.zeros((h, w, c)).at[h // 2, w // 2].set(1.0)


@pytest.mark.parametrize("shape", [(9, 13, 1), (9, 13, 3), (16, 8, 3)])
@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_blur_is_a_truncated_gaussian_with_mirrored_borders(shape, kernel_size):
    image = picture(*shape)
    f = jax.jit(blur, static_argnames="kernel_size")
    for sigma in (0.1, 0.7, 2.0):
        actual = f(image, sigma, kernel_size=kernel_size)
        assert actual.dtype == jnp.float32
        expected = reference.blur(image, sigma, kernel_size=kernel_size)
        np.testing.assert_allclose(actual, expected, atol=1e-6)
        radius = kernel_size // 2
        expected = np.asarray(image, np.float64)
        for axis in (0, 1):
            expected = ndimage.gaussian_filter1d(
                expected, sigma, axis=axis, mode="mirror", radius=radius
            )
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_blur_keeps_a_flat_image():
    flat = jnp.full((9, 9, 3), 0.7)
    np.testing.assert_allclose(blur(flat, 1.3, kernel_size=5), flat, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (64, 90), (70, 50), (224, 224)])
def test_the_default_kernel_size_is_a_tenth_of_the_smaller_side(shape):
    f = partial(augment.gaussian_blur, sigma=(9.0, 9.0), probability=1.0)
    row = draws(f, impulse(*shape), 1)[0, shape[0] // 2, :, 0]
    assert (row > 0).sum() == reference.blur_kernel_size(*shape)


def test_the_kernel_size_can_be_given():
    f = partial(augment.gaussian_blur, jax.random.key(0), sigma=(2.0, 2.0), probability=1.0)
    image = picture(12, 11, 3)
    expected = reference.blur(image, 2.0, kernel_size=5)
    np.testing.assert_allclose(f(image, kernel_size=5), expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [None, (0.5, 1.0)])
def test_sigma_is_uniform(sigma):
    """In a blurred impulse, center / neighbor is exp(1 / 2σ²)."""
    parameters = {"probability": 1.0} | ({"sigma": sigma} if sigma else {})
    images = draws(partial(augment.gaussian_blur, **parameters), impulse(5, 5), 1000)
    center, neighbor = images[:, 2, 2, 0].astype(np.float64), images[:, 2, 3, 0]
    drawn = 1 / np.sqrt(2 * np.log(center / neighbor))
    low, high = sigma or (0.1, 2.0)
    assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > 1e-3
