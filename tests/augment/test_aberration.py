"""Colors against chromatic aberration: which channel is kept, what is removed, and shifts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment.aberration import drop_colors, jitter_channels, project_colors
from tests.augment import draws, picture, quick_jit

KEY = jax.random.key(0)


def test_one_channel_is_kept_and_the_others_are_faint_noise():
    image = np.asarray(picture(6, 7, 3))
    images = draws(drop_colors, image, 900)
    kept = (images == image).all((1, 2))
    assert (kept.sum(1) == 1).all()
    assert stats.chisquare(kept.sum(0)).pvalue > 1e-3
    noise = 255 * (np.moveaxis(images, -1, 1)[~kept] - 0.5)
    assert stats.kstest(noise.ravel()[::7], stats.uniform(-0.5, 1).cdf).pvalue > 1e-3
    first, second = noise.reshape(-1, 2, 42).swapaxes(0, 1).reshape(2, -1)
    assert stats.pearsonr(first, second).pvalue > 1e-3


def test_gray_images_keep_their_channel():
    image = picture(6, 7, 1)
    for f in (drop_colors, project_colors):
        np.testing.assert_array_equal(f(KEY, image), image)


def test_projection_removes_green_against_magenta_and_nothing_else():
    """The matrix that the authors of the jigsaw puzzle use for the same purpose, with 4 digits."""
    image = picture(6, 7, 3)
    projected = quick_jit(project_colors)(KEY, image)
    matrix = [[0.8333, 0.3333, -0.1667], [0.3333, 0.3333, 0.3333], [-0.1667, 0.3333, 0.8333]]
    np.testing.assert_allclose(projected, np.asarray(image) @ np.array(matrix), atol=2e-4)
    np.testing.assert_allclose(projected @ np.array([-1, 2, -1]), 0, atol=1e-6)
    for axis in ([1, 1, 1], [1, 0, -1]):
        np.testing.assert_allclose(projected @ np.array(axis), image @ np.array(axis), atol=1e-5)
    np.testing.assert_allclose(project_colors(KEY, projected), projected, atol=1e-6)


def test_channels_are_shifted_independently_and_uniformly():
    image = np.asarray(picture(7, 8, 3))
    shifted = draws(partial(jitter_channels, jitter=1), image, 900)
    windows = np.stack([image[i : i + 5, j : j + 6] for i in range(3) for j in range(3)])
    same = (shifted[:, None] == windows).all((2, 3))
    assert (same.sum(1) == 1).all()
    places = same.argmax(1)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = np.bincount(9 * places[:, first] + places[:, second], minlength=81)
        assert stats.chisquare(pairs).pvalue > 1e-3


def test_without_jitter_channels_stay():
    image = picture(5, 5, 3)
    np.testing.assert_array_equal(jitter_channels(KEY, image, jitter=0), image)
    assert jitter_channels(KEY, jnp.zeros((9, 9, 1))).shape == (5, 5, 1)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_than_three_channels_keep_their_values(channels):
    image = jax.random.uniform(KEY, (6, 6, channels))
    np.testing.assert_array_equal(project_colors(KEY, image), image)
