"""Colorization: the views, the running prior, the loss, the scores and the pictures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import colorization as preset
from ssl_jax import config as settings
from ssl_jax.augment.lab import lab_to_rgb, rgb_to_lab
from ssl_jax.errors import InputError
from ssl_jax.methods.common.colorfulness import colorfulness
from ssl_jax.methods.pretext import color_bins, colorization
from tests import tiny
from tests.methods.case import Case

CASE = Case({"decoder": (8,)}, data=partial(tiny.data, channels=3))
UNIFORM, TEMPERATURE = 0.25, 0.5


@pytest.fixture(scope="module")
def start():
    dataset = tiny.data(channels=3)
    block = {"name": "colorization", "decoder": (8,), "area": (1.0, 1.0)}
    block |= {"uniform": UNIFORM, "temperature": TEMPERATURE}
    config = tiny.resolved(tiny.config(**block), dataset)
    method, batch = colorization.make(config), tiny.batch(dataset)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    return method, config, batch, params, extra, views


@pytest.fixture(scope="module")
def loss(start):
    return jax.jit(start[0].loss)


def lab_of(images):
    return np.asarray(jax.jit(rgb_to_lab)(jnp.asarray(images, jnp.float32)))


def layers_of(start, lightness, *, train):
    """Returns the network's outputs for lightness in [0, 1], given as a gray color picture."""
    _, config, _, params, extra, _ = start
    network = colorization.from_module(lambda rngs: colorization._colorizer(config, rngs))
    gray = np.broadcast_to(lightness, (*lightness.shape[:3], 3))
    images = (gray - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x: network.apply(params, extra["network"], x, train=train)[0])
    return jax.device_get(run(jnp.asarray(images, jnp.float32)))


def test_views_are_the_lightness_and_the_color_of_one_pixel_per_cell(start):
    _, _, batch, _, _, views = start
    lab = lab_of(batch["image"] / 255)
    assert views["ab"].shape == (1, tiny.BATCH, 4, 4, 2)
    flipped = 0
    for lightness, ab, whole in zip(views["lightness"][0], views["ab"][0], lab, strict=True):
        sides = (whole, whole[:, ::-1])
        near = [np.allclose(lightness, x[..., :1] / 100, atol=1e-4) for x in sides]
        assert any(near)
        np.testing.assert_allclose(ab, sides[near.index(True)][1::2, 1::2, 1:], atol=0.02)
        flipped += near[1]
    assert 0 < flipped < tiny.BATCH


def test_the_prior_is_the_mean_of_the_targets_of_all_steps(start, loss):
    method, _, batch, params, extra, _ = start
    seen = []
    for step in range(3):
        views = jax.jit(method.views)(jax.random.key(step), {"image": batch["image"] // (step + 1)})
        _, (extra, _) = loss(params, extra, views, jax.random.key(0), jnp.int32(step))
        seen.append(np.asarray(color_bins.encode(views["ab"][0])).mean(axis=(0, 1, 2)))
        np.testing.assert_allclose(extra["prior"], np.mean(seen, axis=0), atol=1e-6)
    assert np.abs(seen[0] - seen[2]).max() > 0.01


def test_loss_is_the_weighted_cross_entropy_plus_the_squared_error(start, loss):
    _, _, _, params, extra, views = start
    value, (_, metrics) = loss(params, extra, views, jax.random.key(2), jnp.int32(0))
    layers = layers_of(start, np.asarray(views["lightness"][0]), train=True)
    ab = np.asarray(views["ab"][0], np.float64)
    targets = np.asarray(color_bins.encode(views["ab"][0]), np.float64)
    prior = targets.mean(axis=(0, 1, 2))
    weights = 1 / ((1 - UNIFORM) * prior + UNIFORM / 313)
    weights /= (weights * prior).sum()
    classification, l2, count = 0.0, 0.0, ab[..., 0].size
    for i in np.ndindex(ab.shape[:3]):
        logits = layers["logits"][i].astype(np.float64)
        cross_entropy = targets[i] @ (np.log(np.exp(logits).sum()) - logits)
        classification += weights[targets[i].argmax()] * cross_entropy / count
        l2 += ((layers["ab"][i] - ab[i] / 110) ** 2).sum() / 2 / count
    np.testing.assert_allclose(metrics["classification"], classification, rtol=1e-4)
    np.testing.assert_allclose(metrics["l2"], l2, rtol=1e-4)
    np.testing.assert_allclose(value, classification + l2, rtol=1e-4)
    assert weights.max() > 2 * weights.min()


def test_color_does_not_reach_the_features(start):
    """An image and the gray image of the same lightness have the same features."""
    method, _, batch, params, extra, _ = start
    lab = lab_of(batch["image"] / 255) * [1, 0, 0]
    gray = np.asarray(lab_to_rgb(jnp.asarray(lab, jnp.float32)))
    gray = np.uint8(np.round(255 * gray))
    assert np.abs(gray.astype(int) - batch["image"]).max() > 50
    embed = jax.jit(method.embed)
    colored, without = (embed(params, extra, {"image": x}) for x in (batch["image"], gray))
    assert {"stage1", "stage2", "features", "patches"} == set(colored)
    # the gray image's bytes are rounded
    np.testing.assert_allclose(colored["features"], without["features"], atol=0.03)
    assert np.std(colored["features"], axis=0).max() > 0.3


def bilinear(ab, size):
    """Interpolates between the centers of cells; beyond the outer centers it continues the edge."""
    side = ab.shape[1]
    at = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 2)
    share = (at - low)[:, None]
    rows = ab[:, low] * (1 - share[..., None]) + ab[:, low + 1] * share[..., None]
    return rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share


def predicted(start):
    """Returns the colors by classification and by regression of the test batch."""
    lightness = lab_of(start[2]["image"] / 255)[..., :1] / 100
    layers = layers_of(start, lightness, train=False)
    z = layers["logits"].astype(np.float64) / TEMPERATURE
    shares = np.exp(z - z.max(axis=-1, keepdims=True))
    classified = shares / shares.sum(axis=-1, keepdims=True) @ color_bins.centers()
    return bilinear(classified, tiny.SIDE), bilinear(110 * layers["ab"], tiny.SIDE)


def test_scores_are_distances_from_the_true_colors(start):
    method, _, batch, params, extra, _ = start
    prior = np.linspace(1, 9, 313).astype(np.float32)
    extra = extra | {"prior": prior / prior.sum()}
    scores = jax.jit(method.score)(params, extra, batch, jax.random.key(0))
    true = lab_of(batch["image"] / 255)
    weights = np.asarray(color_bins.weights(extra["prior"], UNIFORM))
    classified, l2 = predicted(start)
    centers = color_bins.centers()
    for name, ab in {"": classified, "_l2": l2, "_gray": 0 * l2}.items():
        for i in range(3):
            errors, rebalanced = [], []
            for y, x in np.ndindex(tiny.SIDE, tiny.SIDE):
                errors.append(np.hypot(*(ab[i, y, x] - true[i, y, x, 1:])))
                nearest = np.argmin(np.hypot(*(centers - true[i, y, x, 1:]).T))
                rebalanced.append(weights[nearest] * errors[-1])
            np.testing.assert_allclose(scores[f"ab_error{name}"][i], np.mean(errors), rtol=1e-3)
            np.testing.assert_allclose(
                scores[f"rebalanced_error{name}"][i], np.mean(rebalanced), rtol=1e-3
            )
    for name, ab in {"": classified, "_l2": l2, "_true": true[..., 1:]}.items():
        lab = np.concatenate([true[..., :1], ab], axis=-1)
        expected = colorfulness(lab_to_rgb(jnp.asarray(lab, jnp.float32)))
        np.testing.assert_allclose(scores[f"colorfulness{name}"], expected, rtol=1e-2)


def test_pictures_have_the_true_lightness_and_the_predicted_colors(start):
    method, _, batch, params, extra, _ = start
    pictures = method.show(params, extra, batch, jax.random.key(0))
    assert list(pictures) == ["lightness", "classified", "L2", "the original"]
    true = lab_of(batch["image"] / 255)
    np.testing.assert_allclose(pictures["lightness"], true[..., :1] / 100, atol=1e-5)
    np.testing.assert_allclose(pictures["the original"], batch["image"] / 255, atol=1e-6)
    for name, ab in zip(("classified", "L2"), predicted(start), strict=True):
        lab = np.concatenate([true[..., :1], ab], axis=-1)
        expected = lab_to_rgb(jnp.asarray(lab, jnp.float32))
        np.testing.assert_allclose(pictures[name], expected, atol=2e-3)


def test_paper_preset_predicts_a_quarter_of_the_image():
    config = preset.get_config("paper")
    settings.check(config)
    facts = {"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    config = settings.resolve(config, facts, 1_281_167, 1)
    method = colorization.make(config)
    images = jax.ShapeDtypeStruct((2, 256, 256, 3), jnp.uint8)
    views = jax.eval_shape(method.views, jax.random.key(0), {"image": images})
    assert views["ab"].shape == (1, 2, 64, 64, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 1}, r"^data.channels: 1 leaves no colors to predict; expected 3$"),
        ({"name": "mlp"}, r"^network.name: 'mlp' has no map to color from; expected another one$"),
        ({"pool": "mean"}, r"^network.pool: 'mean' leaves no map .* expected grid$"),
        ({"side": 7}, r"^method.decoder: \(8, 8\) makes 8 pixels of an image of 7; .* widths$"),
    ],
)
def test_configs_that_cannot_be_colored_are_rejected(start, change, message):
    config = start[1].copy_and_resolve_references()
    with config.unlocked():
        config.method.decoder = (8, 8)
        config.data.channels = change.get("channels", 3)
        config.network.name = change.get("name", "resnet_small")
        config.network.pool = change.get("pool", "grid")
        config.data.image_size = change.get("side", 8)
    with pytest.raises(InputError, match=message):
        colorization.make(config)
