"""MAE: which patches are hidden, what the loss covers, and what is shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.mae import get_config
from ssl_jax import config as settings
from ssl_jax.methods.masked import mae
from ssl_jax.nn import from_module
from ssl_jax.nn.patches import patches
from tests import tiny
from tests.methods.case import VIT, Case

CASE = Case(
    {
        "mask_ratio": 0.5,
        "decoder_width": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
        "normalize_targets": True,
        "area": (0.5, 1.0),
    },
    network=VIT,
)

BLOCK = {
    "name": "mae",
    "mask_ratio": 0.75,
    "decoder_width": 16,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "area": (1.0, 1.0),
}


@pytest.fixture(scope="module", params=(True, False), ids=("normalized", "unnormalized"))
def made(request):
    dataset = tiny.data()
    config = tiny.config(**BLOCK, normalize_targets=request.param)
    config.network.update({"name": "vit_nano", "patch_size": 2, "pool": "mean"})
    config = tiny.resolved(config, dataset)
    batch = tiny.batch(dataset)
    method = mae.make(config)
    return method, config, batch, method.init(jax.random.key(0), batch)[0]


def test_weights_start_from_xaviers_distribution(made):
    _, _, _, params = made
    checked = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if "kernel" in name:
            bound = (6 / sum(leaf.shape)) ** 0.5
            assert np.abs(leaf).max() <= bound, name
            assert np.isclose(leaf.std(), bound / 3**0.5, rtol=0.15), name
            checked += 1
        elif "token" in name and leaf.size >= 100:
            assert np.isclose(leaf.std(), 0.02, rtol=0.25), name
    assert checked > 10


def test_a_random_quarter_of_the_patches_is_visible(made):
    method, _, batch, _ = made
    views = jax.jit(method.views)
    visible = np.asarray(views(jax.random.key(1), batch)["visible"][0])
    assert visible.shape == (tiny.BATCH, 4)
    assert all(len(set(row)) == 4 for row in visible)
    assert len({tuple(sorted(row)) for row in visible}) > tiny.BATCH // 2
    many = [views(jax.random.key(i), batch)["visible"] for i in range(40)]
    counts = np.bincount(np.ravel(many), minlength=16)
    assert len(counts) == 16
    assert 0.7 < counts.min() / counts.mean() < 1.3


def cut(images):
    return np.asarray(patches(jnp.asarray(images), 2))


def predict(made, images, visible):
    _, config, _, params = made
    network = from_module(lambda rngs: mae.MaskedAutoencoder(config, rngs))
    normalized = (images - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x, v: network.apply(params, {}, x, v, train=True)[0])
    return np.asarray(run(jnp.asarray(normalized, jnp.float32), visible), np.float64), normalized


def test_loss_is_the_mean_squared_error_of_hidden_patches(made):
    method, config, batch, params = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, _ = jax.jit(method.loss)(params, {}, views, jax.random.key(2), jnp.int32(0))
    images, visible = np.asarray(views["image"][0], np.float64), np.asarray(views["visible"][0])
    predictions, normalized = predict(made, images, visible)
    total = []
    for image, row, prediction in zip(normalized, visible, predictions, strict=True):
        errors = []
        for number in set(range(16)) - set(row.tolist()):
            y, x = divmod(number, 4)
            patch = image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel()
            if config.method.normalize_targets:
                patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 1e-6)
            errors.append(np.mean((prediction[number] - patch) ** 2))
        total.append(np.mean(errors))
    np.testing.assert_allclose(value, np.mean(total), rtol=1e-4)


def test_predictions_depend_on_visible_patches_only(made):
    _, _, batch, _ = made
    images = batch["image"] / 255.0
    visible = np.tile([0, 5, 10, 15], (tiny.BATCH, 1))
    first, _ = predict(made, images, visible)
    changed = images.copy()
    changed[:, 2:4, 0:2] = 0.9  # patch 4
    np.testing.assert_array_equal(predict(made, changed, visible)[0], first)
    changed[:, 0:2, 0:2] = 0.9  # patch 0
    assert not np.allclose(predict(made, changed, visible)[0], first)


def test_order_of_visible_patches_does_not_matter(made):
    _, _, batch, _ = made
    images = batch["image"] / 255.0
    first, _ = predict(made, images, np.tile([0, 5, 10, 15], (tiny.BATCH, 1)))
    other, _ = predict(made, images, np.tile([10, 0, 15, 5], (tiny.BATCH, 1)))
    np.testing.assert_allclose(other, first, atol=1e-5)


def test_pictures_are_gray_where_hidden_and_true_where_visible(made):
    method, config, batch, params = made
    shown = jax.jit(method.show)(params, {}, batch, jax.random.key(3))
    seen, whole, truth = (
        np.asarray(shown[name])
        for name in ("the visible patches", "the hidden patches predicted", "the original")
    )
    np.testing.assert_allclose(truth, batch["image"] / 255.0, rtol=1e-6)
    hidden = (cut(seen) == 0.5).all(-1)
    np.testing.assert_array_equal(hidden.sum(1), 12)
    np.testing.assert_allclose(cut(whole)[~hidden], cut(truth)[~hidden], atol=1e-5)
    np.testing.assert_allclose(cut(seen)[~hidden], cut(truth)[~hidden])
    visible = np.argsort(hidden, axis=1, kind="stable")[:, :4]
    predictions, normalized = predict(made, np.asarray(truth, np.float64), visible)
    true = cut(normalized)
    if config.method.normalize_targets:
        deviation = true.std(-1, keepdims=True, ddof=1)
        predictions = predictions * deviation + true.mean(-1, keepdims=True)
    expected = predictions * config.data.std[0] + config.data.mean[0]
    np.testing.assert_allclose(cut(whole)[hidden], expected[hidden], atol=1e-4)


def test_paper_preset_has_the_published_sizes():
    config = get_config("paper")
    facts = {"image_size": 224, "channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    config = settings.resolve(config, facts, 1_281_167, 1)
    batch = {"image": jax.ShapeDtypeStruct((8, 224, 224, 3), np.uint8)}
    method = mae.make(config)
    params, _ = jax.eval_shape(method.init, jax.random.key(0), batch)

    def count(tree):
        return sum(x.size for x in jax.tree.leaves(tree))

    # ViT-B/16 without its classifier, as published (86,567,656 - 769,000)
    assert count(params["encoder"]) == 85_798_656
    # the authors' code prints 111,907,840 for the whole model; 197 x 512 are fixed positions
    assert count(params) == 111_907_840 - 197 * 512
    loss = jax.eval_shape(
        lambda p, b, k: method.loss(p, {}, method.views(k, b), k, jnp.int32(0))[0],
        params,
        batch,
        jax.random.key(0),
    )
    assert loss.shape == ()
