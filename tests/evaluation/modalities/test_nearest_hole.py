"""The hole of the nearest training image, by loops, and which methods it stands beside."""

import numpy as np
import pytest

from ssl_jax.evaluation.modalities import INPUTS, nearest_hole
from tests import tiny

VALUES = {"test_hole_mse": 0.1}


def prepared(overlap=1, region="middle"):
    data = tiny.data(train=30, test=24, channels=3)
    config = tiny.config(region=region, overlap=overlap)
    config.data.image_size = tiny.SIDE
    return data, config


def images(source):
    return source.take(np.arange(len(source)))["image"] / 255.0


@pytest.mark.parametrize("overlap", [0, 1])
def test_the_hole_is_that_of_the_image_with_the_nearest_context(overlap, monkeypatch):
    monkeypatch.setattr(nearest_hole, "_PICTURES", 7)  # does not divide 24
    data, config = prepared(overlap)
    low, high = 2 + overlap, 6 - overlap
    training, tested = images(data.pretrain), images(data.test)
    fill = nearest_hole.nearest_hole(data, config, VALUES)
    filled = fill(data.test.take(np.arange(24))["image"])
    errors = []
    for image, found in zip(tested, filled, strict=True):
        distances = []
        for candidate in training:
            difference = (candidate - image) ** 2
            difference[low:high, low:high] = 0
            distances.append(difference.sum())
        expected = image.copy()
        expected[low:high, low:high] = training[np.argmin(distances)][low:high, low:high]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        errors.append(((expected - image)[low:high, low:high] ** 2).mean())
    scores = dict(INPUTS["image"].scores(data, config, VALUES))
    assert scores.keys() == {"test_hole_mse_nearest", "test_hole_psnr_nearest"}
    np.testing.assert_allclose(scores["test_hole_mse_nearest"], np.mean(errors), rtol=1e-4)
    expected = np.mean(-10 * np.log10(errors))
    np.testing.assert_allclose(scores["test_hole_psnr_nearest"], expected, rtol=1e-4)


def test_a_training_image_finds_itself():
    data, config = prepared()
    seen = data.pretrain.take(np.arange(30))["image"]
    found = nearest_hole.nearest_hole(data, config, VALUES)(seen)
    np.testing.assert_allclose(found, seen / 255, atol=1e-6)


def test_methods_without_a_hole_in_the_middle_have_no_such_yardstick():
    data, config = prepared()
    assert nearest_hole.nearest_hole(data, config, {"test_mse": 0.1}) is None
    assert nearest_hole.nearest_hole(*prepared(region="random"), VALUES) is None
    assert nearest_hole.nearest_hole(data, tiny.config(), VALUES) is None
