"""Relative position: the patches, the questions about them, the loss, the score and pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import relative_position as preset
from ssl_jax import config as settings
from ssl_jax.methods.pretext import relative_position
from ssl_jax.train.state import parameter_count
from tests import tiny
from tests.data.test_load import one_line
from tests.methods.case import Case

CASE = Case({"tile": 2, "gap": 0, "jitter": 0, "code": 8, "hidden": (8,)})

BLOCK = {"name": "relative_position", **CASE.settings}
NEIGHBORS = (0, 1, 2, 3, 5, 6, 7, 8)


def make(*, channels=1, **changes):
    dataset = tiny.data(channels=channels)
    config = tiny.resolved(tiny.config(**BLOCK | changes), dataset)
    return relative_position.make(config), config, tiny.batch(dataset)


@pytest.fixture(scope="module")
def started(small_networks):
    method, config, batch = make(channels=3)
    params, stats = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    return method, config, batch, params, stats, views


def grids(image):
    """Yields the nine patches for every start of a grid of 6 x 6 pixels."""
    for top in range(3):
        for left in range(3):
            whole = image[top : top + 6, left : left + 6]
            yield np.stack(
                [whole[i : i + 2, j : j + 2] for i in range(0, 6, 2) for j in range(0, 6, 2)]
            )


def test_patches_are_parts_of_the_image_row_by_row():
    method, _, batch = make()
    patches = np.asarray(jax.jit(method.views)(jax.random.key(1), batch)["image"])
    assert patches.shape == (9, tiny.BATCH, 2, 2, 1)
    starts = set()
    for number, image in enumerate(batch["image"] / np.float32(255)):
        same = [np.allclose(patches[:, number], grid, atol=1e-6) for grid in grids(image)]
        assert sum(same) == 1
        starts.add(same.index(True))
    assert len(starts) > 3


def test_each_patch_keeps_one_color_of_its_own(started):
    *_, batch, _, _, views = started
    combinations = set()
    for number, image in enumerate(batch["image"] / np.float32(255)):
        channels = [
            [
                next((c for c in range(3) if np.allclose(x[..., c], y[..., c], atol=1e-6)), None)
                for x, y in zip(views["image"][:, number], grid, strict=True)
            ]
            for grid in grids(image)
        ]
        (found,) = (each for each in channels if None not in each)
        assert len(set(found)) > 1
        combinations.add(tuple(found))
    assert {color for found in combinations for color in found} == {0, 1, 2}
    assert len(combinations) > tiny.BATCH / 2


def test_colors_may_be_projected_instead():
    method, _, batch = make(channels=3, colors="project")
    patches = jax.jit(method.views)(jax.random.key(1), batch)["image"]
    np.testing.assert_allclose(patches @ np.array([-1, 2, -1], np.float32), 0, atol=1e-5)
    assert np.std(patches, axis=-1).max() > 0.05


def logits_of(started, patches, *, train):
    """Logits ``[n, 8, 8]``, with each question asked on its own: middle and one neighbor."""
    _, config, _, params, stats, _ = started
    network = relative_position.from_module(lambda rngs: relative_position._towers(config, rngs))
    x = np.asarray(patches, np.float64).swapaxes(0, 1)
    x = x - x.mean(axis=(2, 3), keepdims=True)
    x = x / np.maximum(np.sqrt((x**2).mean(axis=(2, 3, 4), keepdims=True)), 1 / 255)
    pairs = np.broadcast_to(np.array([[4, i] for i in NEIGHBORS]), (len(x), 8, 2))
    run = jax.jit(lambda x, pairs: network.apply(params, stats, x, pairs, train=train)[0])
    return np.asarray(run(jnp.asarray(x, jnp.float32), jnp.asarray(pairs)), np.float64)


def test_loss_is_the_cross_entropy_of_each_neighbor_s_position(started):
    method, _, _, params, stats, views = started
    value, (_, metrics) = jax.jit(method.loss)(
        params, stats, views, jax.random.key(2), jnp.int32(0)
    )
    logits, total, correct = logits_of(started, views["image"], train=True), 0.0, 0
    for n in range(tiny.BATCH):
        for answer in range(8):
            row = logits[n, answer]
            total += np.log(np.exp(row).sum()) - row[answer]
            correct += row.argmax() == answer
    np.testing.assert_allclose(value, total / (8 * tiny.BATCH), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], correct / (8 * tiny.BATCH), rtol=1e-6)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(8), rtol=1e-6)


def test_score_and_pictures_tell_which_positions_are_found(started):
    method, _, batch, params, stats, _ = started
    key, titles = jax.random.key(3), []

    @jax.jit
    def run(key):
        pictures = method.show(params, stats, batch, key)
        titles.extend(pictures)
        scores = method.score(params, stats, batch, key)
        return scores, list(pictures.values()), method.views(key, batch)["image"]

    scores, (context, seen, found), patches = run(key)
    logits = logits_of(started, patches, train=False)
    right = logits.argmax(-1) == np.arange(8)
    assert 0 < right.sum() < right.size
    np.testing.assert_allclose(scores["position_accuracy"], right.mean(1), rtol=1e-6)
    assert [title.split()[0] for title in titles] == ["where", "what", "the"]
    assert context.shape == batch["image"].shape
    for n in range(tiny.BATCH):
        for i in range(9):
            place = slice(3 * (i // 3), 3 * (i // 3) + 2), slice(3 * (i % 3), 3 * (i % 3) + 2)
            np.testing.assert_array_equal(seen[n][place], patches[i, n])
            known = i == 4 or right[n, NEIGHBORS.index(i)]
            expected = patches[i, n] if known else np.ones((2, 2, 3))
            np.testing.assert_array_equal(found[n][place], expected)


def test_features_are_the_backbone_s_of_the_whole_image(started):
    method, config, batch, params, stats, _ = started
    backbone = relative_position.from_module(
        lambda rngs: relative_position.backbones.make(config, rngs)
    )
    normalized = (batch["image"] / 255 - np.array(config.data.mean)) / np.array(config.data.std)
    expected, _ = backbone.apply(
        params["backbone"], stats["backbone"], jnp.asarray(normalized, jnp.float32), train=False
    )
    found = jax.jit(method.embed)(params, stats, batch)
    for name, layer in expected.items():
        np.testing.assert_allclose(found[name], layer, rtol=1e-3, atol=1e-4)


def test_patches_that_do_not_fit_are_rejected():
    assert one_line(make, tile=3).startswith("data.image_size: 8 is too small")


def test_paper_preset_fits_its_images_and_has_the_authors_head():
    config = preset.get_config("paper")
    settings.check(config)
    facts = {"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    config = settings.resolve(config, facts, 1_281_167, 1)
    method = relative_position.make(config)
    image = jax.ShapeDtypeStruct((2, 448, 448, 3), np.uint8)
    key = jax.random.key(0)
    views = jax.eval_shape(method.views, key, {"image": image})
    assert views["image"].shape == (9, 2, 96, 96, 3)
    params, _ = jax.eval_shape(lambda key: method.init(key, {"image": image}), key)
    # He et al.: 25,557,032 with the classifier
    assert parameter_count(params["backbone"]) == 25_557_032 - 1000 * 2049
    assert params["linear"]["kernel"].shape == (2048, 4096)
    assert params["head"]["hidden"]["0"]["kernel"].shape == (2 * 4096, 4096)
    assert params["head"]["last"]["kernel"].shape == (4096, 8)
