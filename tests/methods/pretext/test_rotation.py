"""Rotation: the four views, the loss, and the accuracy on held-out images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.methods.pretext import rotation
from tests import tiny
from tests.methods.case import Case

CASE = Case({"area": (0.5, 1.0)})


@pytest.fixture(scope="module")
def made():
    dataset = tiny.data()
    config = tiny.resolved(tiny.config(name="rotation", area=(0.5, 1.0)), dataset)
    batch = tiny.batch(dataset)
    method = rotation.make(config)
    return method, config, batch, *method.init(jax.random.key(0), batch)


def test_views_are_four_counterclockwise_rotations_of_each_image(made):
    method, _, batch, *_ = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    images = np.asarray(views["image"])
    assert images.shape == (4, tiny.BATCH, tiny.SIDE, tiny.SIDE, 1)
    for turns in range(4):
        expected = np.stack([np.rot90(image, turns) for image in images[0]])
        np.testing.assert_array_equal(images[turns], expected)
    np.testing.assert_array_equal(views["turns"], np.repeat(np.arange(4)[:, None], tiny.BATCH, 1))
    assert not np.array_equal(images[0], batch["image"] / 255)


def logits_of(made, images, *, train):
    _, config, _, params, stats = made
    network = rotation.from_module(lambda rngs: rotation.Classifier(config, rngs))
    normalized = (images - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x: network.apply(params, stats, x, train=train)[0]["logits"])
    return np.asarray(run(jnp.asarray(normalized, jnp.float32)), np.float64)


def test_loss_is_the_cross_entropy_of_the_rotation(made):
    method, _, batch, params, stats = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, (_, metrics) = jax.jit(method.loss)(
        params, stats, views, jax.random.key(2), jnp.int32(0)
    )
    logits = logits_of(made, np.concatenate(views["image"]), train=True)
    turns = np.repeat(np.arange(4), tiny.BATCH)
    total = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(turns)), turns]
    np.testing.assert_allclose(value, total.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], (logits.argmax(1) == turns).mean(), rtol=1e-6)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(4), rtol=1e-6)


def test_score_is_the_accuracy_over_all_rotations_of_unaugmented_images(made):
    method, _, batch, params, stats = made
    scores = jax.jit(method.score)(params, stats, batch, jax.random.key(0))
    images = batch["image"] / 255.0
    correct = [
        logits_of(made, np.rot90(images, k, axes=(1, 2)), train=False).argmax(1) == k
        for k in range(4)
    ]
    np.testing.assert_allclose(scores["rotation_accuracy"], np.mean(correct, axis=0), rtol=1e-6)
