"""Super-resolution: the small image, the difference that is painted, and the yardstick."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ssl_jax.errors import InputError
from ssl_jax.methods.reconstruction import super_resolution
from ssl_jax.nn import from_module
from tests import tiny
from tests.methods.case import Case

CASE = Case({"factor": 2, "shift": 1, "decoder": (8,)})


def make(factor=2, shift=0, channels=3):
    dataset = tiny.data(channels=channels)
    config = tiny.config(name="super_resolution", factor=factor, shift=shift, decoder=(8,))
    config = tiny.resolved(config, dataset)
    return super_resolution.make(config), config, tiny.batch(dataset)


@pytest.fixture(scope="module", params=[2, 4])
def made(request):
    method, config, batch = make(request.param)
    return method, config, batch, *jax.jit(method.init)(jax.random.key(0), batch)


def small_and_bicubic(images, factor):
    """Averages squares by loops, and enlarges them by Pillow."""
    n, h, w, c = images.shape
    small = np.zeros((n, h // factor, w // factor, c))
    for i, y, x, k in np.ndindex(small.shape):
        rows, columns = (slice(factor * j, factor * (j + 1)) for j in (y, x))
        small[i, y, x, k] = images[i, rows, columns, k].mean()
    large = np.zeros(images.shape)
    for i, k in np.ndindex(n, c):
        plane = Image.fromarray(small[i, ..., k].astype(np.float32))
        large[i, ..., k] = plane.resize((w, h), Image.Resampling.BICUBIC)
    return small, large


def details(made, images):
    """Returns what the network adds to enlarged images."""
    _, config, _, params, stats = made
    network = from_module(lambda rngs: super_resolution.Enlarger(config, rngs))
    x = (images - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x: network.apply(params, stats, x, train=True)[0]["details"])
    return np.asarray(run(jnp.asarray(x, jnp.float32)), np.float64)


def test_the_network_sees_the_bicubic_enlargement_of_a_flipped_image(made):
    method, config, batch, *_ = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    targets = np.asarray(views["target"][0])
    flipped = 0
    for target, image in zip(targets, batch["image"] / 255, strict=True):
        near = [np.allclose(target, x, atol=1e-6) for x in (image, image[:, ::-1])]
        assert any(near)
        flipped += near[1]
    assert 0 < flipped < tiny.BATCH
    _, expected = small_and_bicubic(targets, config.method.factor)
    np.testing.assert_allclose(views["image"][0], expected, atol=1e-5)
    assert not np.allclose(expected, targets, atol=0.05)


def test_a_shift_moves_images_by_whole_pixels():
    method, _, batch = make(shift=2, channels=1)
    (targets,) = jax.jit(method.views)(jax.random.key(1), batch)["target"]
    still = 0
    for target, image in zip(np.asarray(targets), batch["image"] / 255, strict=True):
        padded = [np.pad(x, ((2, 2), (2, 2), (0, 0))) for x in (image, image[:, ::-1])]
        near = [
            (y, x)
            for y, x in np.ndindex(5, 5)
            for p in padded
            if np.allclose(target, p[y : y + 8, x : x + 8], atol=1e-6)
        ]
        assert near
        still += (2, 2) in near
    assert still < tiny.BATCH / 2


def test_loss_is_the_squared_error_of_the_enlargement_with_details(made):
    method, _, batch, params, stats = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, _ = jax.jit(method.loss)(params, stats, views, jax.random.key(2), jnp.int32(0))
    image, target = (np.asarray(views[name][0], np.float64) for name in ("image", "target"))
    added = details(made, image)
    assert np.abs(added).max() > 1e-3
    np.testing.assert_allclose(value, np.square(image + added - target).mean(), rtol=1e-4)


def test_without_details_the_score_is_that_of_bicubic_enlargement(made):
    method, config, batch, params, stats = made
    scores = jax.jit(method.score)(params, stats, batch, jax.random.key(0))
    images = batch["image"] / 255
    _, bicubic = small_and_bicubic(images, config.method.factor)
    expected = np.square(np.clip(bicubic, 0, 1) - images).mean((1, 2, 3))
    np.testing.assert_allclose(scores["mse_bicubic"], expected, rtol=1e-4)
    assert np.any(np.abs(scores["mse"] - expected) > 1e-6)
    blank = params | {"decoder": jax.tree.map(jnp.zeros_like, params["decoder"])}
    scores = jax.jit(method.score)(blank, stats, batch, jax.random.key(0))
    for name in ("mse", "psnr", "ssim"):
        np.testing.assert_allclose(scores[name], scores[f"{name}_bicubic"], rtol=1e-6)


def test_pictures_are_the_small_image_both_enlargements_and_the_original(made):
    method, config, batch, params, stats = made
    factor = config.method.factor
    titles = []

    @jax.jit
    def show(params, stats):
        shown = method.show(params, stats, batch, jax.random.key(0))
        titles.extend(shown)
        return list(shown.values())

    small, bicubic, painted, original = map(np.asarray, show(params, stats))
    assert titles == ["the small image", "bicubic", "painted", "the original"]
    expected, enlarged = small_and_bicubic(batch["image"] / 255, factor)
    np.testing.assert_allclose(small, expected.repeat(factor, 1).repeat(factor, 2), atol=1e-5)
    np.testing.assert_allclose(bicubic, enlarged, atol=1e-5)
    np.testing.assert_allclose(original, batch["image"] / 255, atol=1e-6)
    assert not np.allclose(painted, bicubic, atol=1e-3)


def test_features_are_those_of_the_whole_image(made):
    method, config, batch, params, stats = made
    embed = jax.jit(method.embed)
    layers = embed(params, stats, batch)
    assert "details" not in layers
    _, blurred = small_and_bicubic(batch["image"] / 255, config.method.factor)
    rounded = {"image": np.round(255 * np.clip(blurred, 0, 1)).astype(np.uint8)}
    others = embed(params, stats, rounded)
    assert not np.allclose(layers["features"], others["features"], atol=1e-2)


def test_an_image_that_does_not_split_into_squares_is_rejected():
    config = make()[1].copy_and_resolve_references()
    config.data.image_size = 6
    super_resolution.make(config)
    config.method.factor = 4
    expected = r"^method.factor: 4 does not divide data.image_size 6; expected a divisor$"
    with pytest.raises(InputError, match=expected):
        super_resolution.make(config)
