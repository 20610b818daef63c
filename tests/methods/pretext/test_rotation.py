"""Rotation: the views, the loss, the accuracy on held-out images, and what gives angles away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.augment.turns import eighth_turn
from ssl_jax.methods.common.networks import Classifier
from ssl_jax.methods.pretext import rotation
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step
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


@pytest.mark.parametrize("ways", [2, 8])
def test_two_rotations_are_half_a_turn_apart_and_eight_an_eighth(ways):
    dataset = tiny.data(channels=3)
    config = tiny.resolved(tiny.config(name="rotation", ways=ways, area=(1.0, 1.0)), dataset)
    method, batch = rotation.make(config), tiny.batch(dataset)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    images = np.asarray(views["image"])
    assert images.shape == (ways, tiny.BATCH, tiny.SIDE, tiny.SIDE, 3)
    np.testing.assert_array_equal(
        views["turns"], np.repeat(np.arange(ways)[:, None], tiny.BATCH, 1)
    )
    if ways == 2:
        np.testing.assert_array_equal(images[1], images[0, :, ::-1, ::-1])
        return
    for rotated, original in zip(images.swapaxes(0, 1), batch["image"] / 255, strict=True):
        whole = jnp.float32([original, original[:, ::-1]])
        expected = [[eighth_turn(image, k) for k in range(8)] for image in whole]
        assert min(np.abs(rotated - x).max() for x in expected) < 1e-5


def test_colors_change_before_the_image_is_rotated():
    dataset = tiny.data(channels=3)
    base = tiny.config(name="rotation", area=(1.0, 1.0), color=True)
    method, batch = rotation.make(tiny.resolved(base, dataset)), tiny.batch(dataset)
    images = np.asarray(jax.jit(method.views)(jax.random.key(1), batch)["image"])
    for turns in range(4):
        np.testing.assert_array_equal(images[turns], np.rot90(images[0], turns, axes=(1, 2)))
    for seen, original in zip(images[0], batch["image"] / 255, strict=True):
        assert min(np.abs(seen - x).max() for x in (original, original[:, ::-1])) > 0.01
        assert (seen >= 0).all()
        assert (seen <= 1).all()


@pytest.mark.parametrize("ways", [2, 8])
def test_the_classifier_has_one_output_per_rotation(ways):
    dataset = tiny.data()
    config = tiny.resolved(tiny.config(name="rotation", ways=ways), dataset)
    method, batch = rotation.make(config), tiny.batch(dataset)

    def run(key):
        params, stats = method.init(key, batch)
        _, (_, metrics) = method.loss(params, stats, method.views(key, batch), key, jnp.int32(0))
        return params["head"]["kernel"], metrics["chance_loss"]

    kernel, chance = jax.jit(run)(jax.random.key(0))
    assert kernel.shape[1] == ways
    np.testing.assert_allclose(chance, np.log(ways), rtol=1e-6)


def logits_of(made, images, *, train):
    _, config, _, params, stats = made
    network = rotation.from_module(lambda rngs: Classifier(config, 4, rngs))
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


def noise(rng, count):
    return rng.integers(0, 256, (count, tiny.SIDE, tiny.SIDE, 1), np.uint8)


def lit_from_above(rng, count):
    """Noise that gets darker from top to bottom."""
    return (noise(rng, count) * np.linspace(1, 0.5, tiny.SIDE)[:, None, None]).astype(np.uint8)


def held_out_accuracy(ways, pictures, *, steps=300, held_out=2048):
    """Trains on fresh pictures; returns the accuracy on others, and its standard error."""
    base = tiny.config(name="rotation", ways=ways, area=(0.5, 1.0))
    base.data.batch_size, base.train.steps = 64, steps
    base.optimizer.learning_rate = 2e-2
    config = tiny.resolved(base, tiny.data(train=64), 1)
    method, optimizer, one = rotation.make(config), optim.make(config), tiny.placement(1)
    rng = np.random.default_rng(0)
    batch = {"image": pictures(rng, 64)}
    state = one.put_state(create(method, optimizer, jax.random.key(0), batch))
    step, key = make_step(method, optimizer, one, state), one.put_state(jax.random.key(1))
    for _ in range(steps):
        state, _ = step(key, state, one.put_batch({"image": pictures(rng, 64)}))
    batch = {"image": pictures(rng, held_out)}
    scores = jax.jit(method.score)(state.params, state.extra, batch, jax.random.key(2))
    accuracy = np.asarray(scores["rotation_accuracy"], np.float64)
    return accuracy.mean(), accuracy.std(ddof=1) / held_out**0.5


@pytest.mark.slow
@pytest.mark.parametrize("ways", [2, 4])
def test_noise_does_not_tell_how_it_was_rotated(ways):
    accuracy, error = held_out_accuracy(ways, noise)
    assert abs(accuracy - 1 / ways) < 3 * error
    accuracy, error = held_out_accuracy(ways, lit_from_above)
    assert accuracy > 1 / ways + 20 * error


@pytest.mark.slow
def test_of_eighths_noise_tells_only_odd_from_even():
    accuracy, error = held_out_accuracy(8, noise)
    assert accuracy > 1 / 8 + 10 * error
    assert accuracy < 1 / 4 + 3 * error
