import numpy as np
import pytest
from PIL import Image

from ssl_jax.data.dataset import Subset
from ssl_jax.evaluation.modalities import INPUTS, base, image
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


def scores(data, values, **method):
    return dict(INPUTS["image"].scores(data, tiny.config(**method), values))


def test_a_method_without_a_code_or_a_painting_has_no_yardstick():
    data = tiny.data()
    assert scores(data, {"test_mse": 0.1}) == {}
    assert scores(data, {"test_mse": 0.1}, code="a string") == {}
    assert scores(data, {"rankme": 2.0}, code=3) == {}
    unconfigured = tiny.config()
    del unconfigured.method
    assert dict(INPUTS["image"].scores(data, unconfigured, {"test_mse": 0.1})) == {}


@pytest.mark.parametrize("code", [1, 5, 1000])
def test_the_yardstick_is_the_best_linear_code_of_the_training_images(code, monkeypatch):
    monkeypatch.setattr(image, "_PICTURES", 7)  # does not divide 24
    data = tiny.data(train=60, channels=3)
    train, test = (
        source.take(np.arange(len(source)))["image"].reshape(len(source), -1) / 255.0
        for source in (data.pretrain, data.test)
    )
    mean = train.mean(0)
    _, _, directions = np.linalg.svd(train - mean, full_matrices=False)
    kept = directions[:code]
    expected = mean + (test - mean) @ kept.T @ kept
    error = np.square(np.clip(expected, 0, 1) - test).mean()
    found = scores(data, {"test_mse": 0.1}, code=code)
    assert found == {"test_mse_pca": pytest.approx(error, rel=1e-3)}


def test_a_part_of_many_images_is_fitted(monkeypatch):
    data = tiny.data()
    few = data._replace(pretrain=Subset(data.pretrain, np.linspace(0, 39, 10).astype(int)))
    whole = scores(data, {"test_mse": 0.1}, code=4)
    expected = scores(few, {"test_mse": 0.1}, code=4)
    monkeypatch.setattr(base, "_NUMBERS", 10 * tiny.SIDE**2 + 1)
    assert scores(data, {"test_mse": 0.1}, code=4) == expected != whole
