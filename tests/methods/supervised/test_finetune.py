"""Fine-tuning: frozen blocks, its options, and what it learns."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.data import batches
from ssl_jax.data.dataset import Arrays
from ssl_jax.errors import InputError
from ssl_jax.methods.supervised import finetune
from ssl_jax.nn.backbones.blocks import blocks
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step
from tests import tiny
from tests.methods.case import MLP, VIT, Case

CASE = Case(
    {
        "augment": {"area": (0.5, 1.0)},
        "mixup": 0.8,
        "cutmix": 1.0,
        "label_smoothing": 0.1,
        "ema": 0.9,
    }
)


@pytest.fixture(scope="module", autouse=True)
def _small(small_networks):
    return small_networks


def make(network=None, **settings):
    """Returns the method, its config, and a batch."""
    data = tiny.data()
    config = tiny.config(**{"name": "finetune", "augment": {"name": "none"}} | settings)
    config.network.update(network or {})
    config = tiny.resolved(config, data, 1)
    batch = tiny.batch(data)
    return finetune.make(config), config, {name: batch[name] for name in ("image", "label")}


def loss_of(method, params, extra, batch, seed=0):
    views = method.views(jax.random.key(seed), batch)
    return method.loss(params, extra, views, jax.random.key(1), jnp.int32(0))


def test_the_loss_is_the_cross_entropy_of_smoothed_labels():
    method, _, batch = make(label_smoothing=0.3, batch_norm="running")
    params, extra = method.init(jax.random.key(0), batch)
    value, (_, metrics) = loss_of(method, params, extra, batch)
    logits = np.asarray(method.predict(params, extra, batch), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    targets = 0.7 * np.eye(3)[batch["label"]] + 0.3 / 3
    np.testing.assert_allclose(value, -(targets * log_p).sum(-1).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], (log_p.argmax(-1) == batch["label"]).mean())


@pytest.mark.parametrize(
    ("network", "freeze", "frozen"),
    [
        ({}, None, []),
        ({}, "stem", ["stem"]),
        ({}, "stage1", ["stem", "stage1"]),
        ({}, "backbone", ["stem", "stage1", "stage2"]),
        (VIT, "block1", ["stem", "block1"]),
        (VIT, "backbone", ["stem", "block1", "norm"]),
        (MLP, "layer1", ["layer1"]),
    ],
)
def test_frozen_blocks_do_not_change_and_the_others_do(network, freeze, frozen):
    method, config, batch = make(network, freeze=freeze)
    with config.unlocked():
        config.optimizer.update({"name": "sgd", "learning_rate": 1.0, "weight_decay": 0.1})
    optimizer = optim.make(config)
    state = jax.device_get(create(method, optimizer, jax.random.key(0), batch))
    before, stats = method.backbone(state.params, state.extra)
    step = make_step(method, optimizer, tiny.placement(1), state)
    after, _ = step(jax.random.key(1), jax.tree.map(jnp.copy, state), batch)
    later, later_stats = method.backbone(after.params, after.extra)
    whole = blocks(before)
    assert list(blocks(state.extra["frozen"])) == frozen
    for name, part in blocks(later).items():
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(jax.tree.leaves(part), jax.tree.leaves(whole[name]), strict=True)
        ]
        assert any(moved) == (name not in frozen), name
    for name, part in blocks(later_stats).items():
        same = jax.tree.map(np.array_equal, part, blocks(stats)[name])
        assert all(jax.tree.leaves(same)) == (name in frozen), name
    assert not np.array_equal(after.params["head"]["kernel"], state.params["head"]["kernel"])


def test_running_statistics_stay_if_asked():
    method, _, batch = make(batch_norm="running")
    params, extra = method.init(jax.random.key(0), batch)
    _, (after, _) = loss_of(method, params, extra, batch)
    chex.assert_trees_all_equal(after["stats"], extra["stats"])


def test_the_average_of_the_weights_predicts():
    method, _, batch = make(ema=0.9)
    params, extra = method.init(jax.random.key(0), batch)
    moved = jax.tree.map(lambda x: x + 1, params)
    _, extra = method.update(moved, extra, jnp.int32(1000))
    expected = jax.tree.map(lambda x: 0.9 * x + 0.1 * (x + 1), params)
    chex.assert_trees_all_close(extra["average"], expected, rtol=1e-5, atol=1e-6)
    by_average = method.predict(moved, extra, batch)
    np.testing.assert_array_equal(by_average, method.predict(expected, extra, batch))


def test_drop_path_changes_the_loss_and_keeps_it_finite():
    with_drop, _, batch = make(VIT, drop_path=0.99)
    without, _, _ = make(VIT)
    params, extra = without.init(jax.random.key(0), batch)
    values = [loss_of(m, params, extra, batch)[0] for m in (with_drop, without)]
    assert np.isfinite(values).all()
    assert values[0] != values[1]


def test_a_backbone_is_set_in_frozen_blocks_and_the_average():
    method, _, batch = make(freeze="stage1", ema=0.9)
    params, extra = method.init(jax.random.key(0), batch)
    other = method.backbone(*method.init(jax.random.key(9), batch))
    params, extra = method.with_backbone(params, extra, other)
    chex.assert_trees_all_equal(method.backbone(params, extra), other)
    chex.assert_trees_all_equal(extra["average"], params)


@pytest.mark.parametrize("name", ["none", "crop_flip", "randaugment"])
def test_views_are_images_and_targets_that_sum_to_one(name):
    augmentation = {"name": name, "erasing": 0.5}
    method, _, batch = make(augment=augmentation, mixup=0.8, cutmix=1.0, label_smoothing=0.1)
    views = jax.jit(method.views)(jax.random.key(0), batch)
    n, h, w, c = batch["image"].shape
    assert views["image"].shape == (1, n, h, w, c)
    assert views["image"].min() >= 0
    assert views["image"].max() <= 1
    np.testing.assert_allclose(views["targets"].sum(-1), np.ones((1, n)), rtol=1e-5)


def test_without_augmentation_the_views_are_the_batch():
    method, _, batch = make()
    views = method.views(jax.random.key(0), batch)
    np.testing.assert_allclose(views["image"][0], batch["image"] / 255, rtol=1e-6)
    np.testing.assert_array_equal(views["targets"][0].argmax(-1), batch["label"])


def test_either_mixup_or_cutmix_mixes_a_batch():
    """CutMix keeps pixels of one of two images; mixup blends them."""
    method, _, batch = make(mixup=0.8, cutmix=1.0)
    images = batch["image"] / 255
    kinds, views = set(), jax.jit(method.views)
    for seed in range(12):
        mixed = np.asarray(views(jax.random.key(seed), batch)["image"][0])
        pasted = np.isclose(mixed, images, atol=1e-5) | np.isclose(mixed, images[::-1], atol=1e-5)
        kinds.add(bool(pasted.all()))
    assert kinds == {True, False}


def test_bad_settings_are_named():
    with pytest.raises(
        InputError, match=r"method\.freeze: 'stage9'; resnet_small has stem, stage1"
    ):
        make(freeze="stage9")
    unlabeled = tiny.data()._replace(label_names=None)
    config = tiny.resolved(tiny.config(name="finetune"), unlabeled, 1)
    with pytest.raises(InputError, match=r"method\.classes: \(\); expected data with labels"):
        finetune.make(config)


def accuracy_after_training(shuffled: bool) -> float:
    """The accuracy on true test labels, after 150 steps on true or shuffled training labels."""
    data = tiny.data(train=120, test=300)
    columns = dict(data.train.columns)
    if shuffled:
        columns["label"] = np.random.default_rng(0).permutation(columns["label"])
    config = tiny.config(name="finetune", augment={"name": "none"})
    config.train.steps = 150
    config.optimizer.update({"learning_rate": 0.02})
    config = tiny.resolved(config, data._replace(pretrain=Arrays(columns)), 1)
    method, optimizer = finetune.make(config), optim.make(config)
    stream = batches(Arrays(columns), tiny.BATCH, seed=0)
    state = create(method, optimizer, jax.random.key(0), next(stream))
    step = make_step(method, optimizer, tiny.placement(1), state)
    for _ in range(config.train.steps):
        state, _ = step(jax.random.key(1), state, next(stream))
    stream.close()
    logits = method.predict(state.params, state.extra, data.test.columns)
    return float((logits.argmax(-1) == data.test.labels).mean())


def test_it_learns_true_labels_and_nothing_from_shuffled_ones():
    """300 test examples of 3 classes: 4 standard errors are 11 points."""
    assert accuracy_after_training(shuffled=False) > 0.95
    assert abs(accuracy_after_training(shuffled=True) - 1 / 3) < 0.15
