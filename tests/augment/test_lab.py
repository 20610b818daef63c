"""CIELAB: scikit-image's values, known colors, and the way back."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.augment.lab import lab_to_rgb, rgb_to_lab
from tests.golden.make_lab import GOLDEN

EXPECTED = {name: np.array(x) for name, x in json.loads(GOLDEN.read_text()).items()}
to_lab, to_rgb = jax.jit(rgb_to_lab), jax.jit(lab_to_rgb)


def float32(x):
    return jnp.asarray(x, jnp.float32)


def test_colors_have_the_coordinates_of_scikit_image():
    lab = to_lab(float32(EXPECTED["rgb"]))
    assert lab.dtype == jnp.float32
    np.testing.assert_allclose(lab, EXPECTED["lab"], atol=1e-4)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_known_colors(rgb, lab):
    np.testing.assert_allclose(to_lab(float32(rgb)), lab, atol=0.01)


def test_grays_have_no_color_and_a_lightness_that_grows():
    lab = to_lab(jnp.broadcast_to(jnp.linspace(0, 1, 256)[:, None], (256, 3)))
    np.testing.assert_allclose(lab[:, 1:], 0, atol=0.01)
    assert (np.diff(lab[:, 0]) > 0).all()


def test_every_byte_comes_back():
    levels = np.array([0, 1, 5, 10, 11, 37, 100, 128, 200, 254, 255], np.float32) / 255
    images = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    np.testing.assert_allclose(to_rgb(to_lab(images)), images, atol=1e-4)


def test_colors_beyond_srgb_are_clipped_as_by_scikit_image():
    rgb = to_rgb(float32(EXPECTED["beyond"]))
    assert (rgb == 0).any()
    assert (rgb == 1).any()
    np.testing.assert_allclose(rgb, EXPECTED["clipped"], atol=1e-4)


def test_gradients_are_finite_at_black_and_beyond_srgb():
    black = jnp.zeros((2, 3))
    assert np.isfinite(jax.jit(jax.jacobian(rgb_to_lab))(black)).all()
    beyond = jnp.array([[0.0, -100, 100], [100, 100, -100]])
    assert np.isfinite(jax.jit(jax.jacobian(lab_to_rgb))(beyond)).all()
