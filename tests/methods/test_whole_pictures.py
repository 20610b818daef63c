"""Every method on images takes pictures that are stored whole, and sees more than their centers."""

import jax
import numpy as np
import pytest

from ssl_jax.methods import METHODS
from ssl_jax.train import online_probe
from tests import tiny
from tests.methods.case import case_of, config_of

STORED = 16
IMAGES = [name for name in METHODS if case_of(name).data().facts["modality"] == "image"]


def whole(batch, channels):
    """Replaces the images by wide ones, black but for what the center leaves out."""
    images = np.zeros((tiny.BATCH, STORED, STORED, channels), np.uint8)
    images[:, :, : STORED // 8] = images[:, :, -STORED // 8 :] = (255, 200, 150)[:channels]
    aspects = np.full(tiny.BATCH, 1.5, np.float32)
    return batch | {"image": images, "aspect": aspects}


@pytest.fixture(params=IMAGES)
def subject(request):
    dataset = case_of(request.param).data()
    config = config_of(request.param, dataset)
    with config.unlocked():
        config.data.stored_size = STORED
    batch = tiny.batch(dataset)
    return METHODS[request.param](config), config, batch, whole(batch, config.data.channels)


def test_views_have_the_same_shapes_and_reach_beyond_the_center(subject):
    method, _, batch, stored = subject
    key = jax.random.key(0)
    views = jax.jit(method.views)(key, stored)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), views)
    assert shapes == jax.tree.map(
        lambda x: (x.shape, x.dtype), jax.eval_shape(method.views, key, batch)
    )
    pictures = [x for x in views.values() if x.ndim == 5]
    assert any(np.ptp(x) > 0.2 for x in pictures)


def test_an_online_probe_sees_the_centers(subject):
    method, config, _, stored = subject
    with config.unlocked():
        config.train.online_probe = True
        config.train.online_classes = 3
        config.evaluation.layers = ("features",)
    probed = online_probe.beside(method, config)
    init = jax.eval_shape(probed.init, jax.random.key(0), stored)
    views = jax.eval_shape(probed.views, jax.random.key(0), stored)
    assert views["online_probe"]["image"].shape == stored["image"].shape
    jax.eval_shape(probed.loss, *init, views, jax.random.key(0), 0)
