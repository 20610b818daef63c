import numpy as np
import pytest

from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from tests import tiny

IMAGE = MODALITIES["image"]


@pytest.fixture(scope="module")
def data():
    return tiny.data(channels=3)


@pytest.fixture(scope="module")
def settings(data):
    return tiny.resolved(tiny.config(), data).data


def test_an_example_has_the_shape_of_the_data(data, settings):
    image = data.pretrain[0]["image"]
    assert batch_like(IMAGE.example(settings), 5) == batch_like({"image": image}, 5)
    assert IMAGE.input_name == "raw pixels"


def test_images_of_a_user_are_resized_and_get_the_channels_of_the_data(settings):
    gray = np.full((4, 12, 8, 1), 204, np.uint8)
    found = IMAGE.read(gray, settings, {}).columns["image"]
    np.testing.assert_array_equal(found, np.full((4, tiny.SIDE, tiny.SIDE, 3), 204))
