"""Mean squared error, PSNR and SSIM compared with scikit-image's, and in known cases."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.methods.common import quality
from tests.golden.make_quality import GOLDEN, SHAPES, pictures

EXPECTED = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", SHAPES)
def test_scores_are_those_of_scikit_image(name):
    truth, noisy = pictures(SHAPES[name])
    found = jax.jit(quality.scores)(noisy, truth)
    assert found.keys() == EXPECTED[name].keys()
    for key, values in found.items():
        np.testing.assert_allclose(values, EXPECTED[name][key], rtol=1e-5, err_msg=key)


def test_equal_pictures_have_the_best_scores():
    truth, _ = pictures((8, 9, 3))
    found = quality.scores(truth, jnp.asarray(truth))
    np.testing.assert_array_equal(found["mse"], 0)
    np.testing.assert_array_equal(found["psnr"], 100)
    np.testing.assert_allclose(found["ssim"], 1, rtol=1e-6)


def test_flat_pictures_have_the_closed_form():
    black, gray = jnp.zeros((1, 8, 8, 1)), jnp.full((1, 8, 8, 1), 0.5)
    found = quality.scores(gray, black)
    np.testing.assert_allclose(found["mse"], 0.25)
    np.testing.assert_allclose(found["psnr"], 20 * np.log10(2), rtol=1e-6)
    np.testing.assert_allclose(found["ssim"], 0.01**2 / (0.25 + 0.01**2), rtol=1e-5)


def test_scores_clip_and_name_yardsticks_and_leave_out_ssim_of_tiny_pictures():
    truth = jnp.ones((2, 6, 8, 1))
    found = quality.scores(truth + 1, truth, "bicubic")
    assert found.keys() == {"mse_bicubic", "psnr_bicubic"}
    np.testing.assert_array_equal(found["mse_bicubic"], 0)
