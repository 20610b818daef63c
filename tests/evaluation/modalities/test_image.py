import numpy as np
from PIL import Image

from ssl_jax.evaluation.modalities import INPUTS
from ssl_jax.evaluation.modalities.image import raw_input
from tests import tiny


def test_the_raw_input_is_the_pixels():
    small = tiny.data().train.take(np.arange(4))
    np.testing.assert_allclose(
        raw_input({"image": small["image"]}), small["image"].reshape(4, -1) / 255, rtol=1e-6
    )
    assert INPUTS["image"].raw(tiny.config().data) is raw_input


def test_large_images_are_resized_as_by_pillow():
    large = np.random.default_rng(0).integers(0, 256, (2, 80, 80, 3), np.uint8)
    resized = [Image.fromarray(x).resize((32, 32), Image.Resampling.BILINEAR) for x in large]
    expected = np.stack([np.asarray(x) for x in resized]).reshape(2, -1) / 255
    np.testing.assert_allclose(raw_input({"image": large}), expected, atol=1.1 / 255)


def test_images_have_no_scores_of_their_own():
    assert dict(INPUTS["image"].scores(tiny.data(), {"rankme": 2.0})) == {}
