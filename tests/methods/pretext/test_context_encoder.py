"""Context encoder: the hole, the losses, and which parts each loss trains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import context_encoder as preset
from ssl_jax import config as settings
from ssl_jax.errors import InputError
from ssl_jax.methods.pretext import context_encoder
from ssl_jax.nn.generative import Discriminator
from ssl_jax.train import optim
from tests import tiny
from tests.methods.case import Case
from tests.references import generative

CASE = Case(
    {
        "adversarial": 0.1,
        "overlap": 1,
        "bottleneck": None,
        "decoder": (8,),
        "discriminator": (4, 8),
        "area": (0.5, 1.0),
        "shift": 1,
    }
)

MIDDLE, HIDDEN = (
    slice(2, 6),
    slice(3, 5),
)  # of 8 pixels: half of each side, and that without a border of 1
TRAINED = {
    "l2": {"encoder", "decoder"},
    "generator_loss": {"encoder", "decoder"},
    "l2_alone": {"l2_decoder"},
    "discriminator_loss": {"discriminator"},
}
BLOCK = {
    "name": "context_encoder",
    "adversarial": 0.2,
    "overlap": 1,
    "bottleneck": None,
    "decoder": (8,),
    "discriminator": (4, 8),
    "area": (1.0, 1.0),
    "shift": 0,
}


def make(**changes):
    dataset = tiny.data(channels=3)
    base = tiny.config(**BLOCK | changes)
    base.optimizer.groups.discriminator = ConfigDict({"learning_rate": 1e-9})
    config = tiny.resolved(base, dataset)
    batch = tiny.batch(dataset)
    return context_encoder.make(config), config, batch


@pytest.fixture(scope="module")
def start():
    method, config, batch = make()
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    return method, config, batch, params, extra, views


def test_context_hides_the_middle_of_the_image_except_a_border(start):
    _, config, batch, _, _, views = start
    context, middle = views["context"][0], views["middle"][0]
    whole, flipped = 0, 0
    for visible, target, image in zip(context, middle, batch["image"] / 255, strict=True):
        candidates = (image, image[:, ::-1])
        near = [np.allclose(target, x[MIDDLE, MIDDLE], atol=1e-6) for x in candidates]
        assert any(near)
        whole, flipped = whole + near[0], flipped + near[1]
        expected = candidates[near.index(True)].copy()
        expected[HIDDEN, HIDDEN] = config.data.mean
        np.testing.assert_allclose(visible, expected, atol=1e-6)
    assert min(whole, flipped) > 0


@pytest.mark.parametrize("changed", [{"area": (0.2, 0.3)}, {"shift": 2}])
def test_views_are_cropped_and_shifted_as_configured(changed):
    method, _, batch = make(**changed)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    whole = batch["image"][:, MIDDLE, MIDDLE] / 255
    near = [
        any(np.allclose(a, x, atol=1e-3) for x in (b, b[:, ::-1]))
        for a, b in zip(views["middle"][0], whole, strict=True)
    ]
    assert np.mean(near) < 0.3


def test_loss_is_the_weighted_sum_of_its_terms(start):
    method, config, _, params, extra, views = start
    value, (_, metrics) = jax.jit(method.loss)(
        params, extra, views, jax.random.key(2), jnp.int32(0)
    )
    painter = context_encoder.from_module(lambda rngs: context_encoder._painter(config, rngs))
    discriminator = context_encoder.from_module(lambda rngs: Discriminator(3, (4, 8), 4, rngs=rngs))
    context = (views["context"][0] - np.array(config.data.mean)) / np.array(config.data.std)
    real = 2 * views["middle"][0] - 1

    @jax.jit
    def run(context, real):
        made, _ = painter.apply(params["painter"], extra["painter"], context, train=True)
        logits = [
            discriminator.apply(params["discriminator"], extra["discriminator"], x, train=True)[0]
            for x in (real, made["joint"])
        ]
        return made["joint"], made["l2"], *logits

    joint, alone, real_logits, fake_logits = (
        np.asarray(x, np.float64) for x in run(context.astype(jnp.float32), real)
    )

    def l2(pictures):
        total = 0.0
        for n, y, x in np.ndindex(pictures.shape[:3]):
            border = y in (0, 3) or x in (0, 3)
            total += (10 if border else 1) * ((pictures[n, y, x] - real[n, y, x]) ** 2).sum()
        return total / pictures.size

    expected = {
        "l2": l2(joint),
        "l2_alone": l2(alone),
        "generator_loss": generative.generator(fake_logits).mean(),
        "discriminator_loss": generative.discriminator(real_logits, fake_logits).mean(),
    }
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(
        value,
        0.8 * expected["l2"]
        + 0.2 * expected["generator_loss"]
        + expected["discriminator_loss"]
        + expected["l2_alone"],
        rtol=1e-4,
    )


def test_each_loss_trains_only_its_own_parts(start):
    method, _, _, params, extra, views = start

    @jax.jit
    @jax.jacrev
    def gradients(params):
        _, (_, metrics) = method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))
        return jnp.stack([metrics[name] for name in TRAINED])

    tree = jax.device_get(gradients(params))
    parts = tree["painter"] | {"discriminator": tree["discriminator"]}
    for number, (loss, trained) in enumerate(TRAINED.items()):
        for part, gradient in parts.items():
            largest = [np.abs(x[number]).max() for x in jax.tree.leaves(gradient)]
            assert min(largest) > 0 if part in trained else max(largest) == 0, (loss, part)


def test_the_discriminator_has_its_own_optimizer(start):
    _, config, _, params, _, _ = start
    optimizer = optim.make(config)

    @jax.jit
    def update(params):
        ones = jax.tree.map(jnp.ones_like, params)
        return optimizer.update(ones, optimizer.init(params), params)[0]

    sizes = {
        name: max(np.abs(x).max() for x in jax.tree.leaves(part))
        for name, part in update(params).items()
    }
    assert sizes.keys() == {"painter", "discriminator"}
    assert 0 < sizes["discriminator"] < 1e-8 < 1e-5 < sizes["painter"]


def test_scores_and_pictures_cover_the_hidden_pixels(start):
    method, config, batch, params, extra, _ = start
    painter = context_encoder.from_module(lambda rngs: context_encoder._painter(config, rngs))
    titles = []

    @jax.jit
    def run(params, extra, batch, key):
        pictures = method.show(params, extra, batch, key)
        titles.extend(pictures)
        context = (pictures["the hole"] - np.array(config.data.mean)) / np.array(config.data.std)
        context = context.astype(jnp.float32)
        made, _ = painter.apply(params["painter"], extra["painter"], context, train=False)
        return method.score(params, extra, batch, key), list(pictures.values()), made

    scores, pictures, made = run(params, extra, batch, jax.random.key(0))
    assert titles == ["the hole", "L2", "joint", "the original"]
    hole, l2, joint, truth = (np.asarray(x, np.float64) for x in pictures)
    hidden = np.zeros((8, 8), bool)
    hidden[HIDDEN, HIDDEN] = True
    np.testing.assert_allclose(truth, batch["image"] / 255, atol=1e-6)
    np.testing.assert_allclose(
        hole[:, hidden], np.broadcast_to(config.data.mean, hole[:, hidden].shape), atol=1e-6
    )
    for pictures in (hole, l2, joint):
        np.testing.assert_array_equal(pictures[:, ~hidden], truth[:, ~hidden])
    for pictures, painted in ((l2, made["l2"]), (joint, made["joint"])):
        expected = (np.asarray(painted)[:, 1:3, 1:3] + 1) / 2
        np.testing.assert_allclose(pictures[:, HIDDEN, HIDDEN], expected, atol=1e-5)
    assert not np.allclose(made["l2"], made["joint"])
    means = truth[:, ~hidden].mean(axis=1, keepdims=True)
    for name, filling in (
        ("hole_mse", joint[:, hidden]),
        ("hole_mse_l2_alone", l2[:, hidden]),
        ("hole_mse_context_mean", means),
    ):
        expected = ((filling - truth[:, hidden]) ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(scores[name], expected, rtol=1e-4, err_msg=name)


def test_paper_preset_has_the_published_layers():
    config = preset.get_config("paper")
    settings.check(config)
    facts = {"channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    config = settings.resolve(config, facts, 1_281_167, 1)
    method = context_encoder.make(config)
    params, _ = jax.eval_shape(lambda key: method.init(key, {}), jax.random.key(0))
    counts = {
        name: sum(x.size for x in jax.tree.leaves(part))
        for name, part in {**params["painter"], "discriminator": params["discriminator"]}.items()
    }
    # train.lua: 4x4 kernels without biases (it sets them to 0), and BatchNorm's scale and bias
    encoder = 16 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 2 * 960
    bottleneck = 16 * 512 * 4000 + 2 * 4000
    decoder = 16 * (4000 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 2 * 960
    discriminator = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 2 * (128 + 256 + 512)
    assert counts == {
        "encoder": encoder,
        "decoder": bottleneck + decoder,
        "l2_decoder": bottleneck + decoder,
        "discriminator": discriminator,
    }
    assert encoder + bottleneck + decoder == 71_124_544


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overlap": 2}, r"^method.overlap: 2 leaves nothing of 4 pixels .* at most 1$"),
        ({"pool": "mean"}, r"^network.pool: 'mean' leaves no map .* expected grid$"),
        ({"name": "mlp"}, r"^network.name: 'mlp' has no map to paint from; expected another one$"),
        ({"side": 40}, r"^method.decoder: \(8,\) makes 8 pixels; .* double 4 to 20$"),
    ],
)
def test_configs_that_cannot_be_painted_are_rejected(start, change, message):
    config = start[1].copy_and_resolve_references()
    with config.unlocked():
        config.method.overlap = change.get("overlap", 1)
        config.network.pool = change.get("pool", "grid")
        config.network.name = change.get("name", "resnet_small")
        config.data.image_size = change.get("side", 8)
    with pytest.raises(InputError, match=message):
        context_encoder.make(config)
