import base64
import io

import numpy as np
import pytest
from PIL import Image

from ssl_jax.report.picture import picture


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_small_pictures_lose_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    for same in (image, image / 255):
        uri = picture(same)
        kind, data = uri.split(",")
        assert kind == "data:image/png;base64"
        back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).reshape(5, 7, -1)
        np.testing.assert_array_equal(back, image[..., :3])


def test_large_pictures_are_shrunk():
    image = np.random.default_rng(0).integers(0, 256, (224, 112, 3), np.uint8)
    kind, data = picture(image).split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (48, 96)
