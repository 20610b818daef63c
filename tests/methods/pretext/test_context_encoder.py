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
    context, middle = views["context"][0], views["target"][0]
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
        for a, b in zip(views["target"][0], whole, strict=True)
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
    real = 2 * views["target"][0] - 1

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
    names = {"mse", "psnr", "sharpness"}
    expected = {f"hole_{name}{end}" for name in names for end in ("", "_l2_alone")}
    expected |= {"hole_mse_context_mean", "hole_psnr_context_mean", "hole_sharpness_truth"}
    assert scores.keys() == expected
    for name, filling in (
        ("hole_mse", joint[:, hidden]),
        ("hole_mse_l2_alone", l2[:, hidden]),
        ("hole_mse_context_mean", means),
    ):
        expected = ((filling - truth[:, hidden]) ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(scores[name], expected, rtol=1e-4, err_msg=name)


RANDOM = {"region": "random", "overlap": 0, "decoder": (8, 4), "discriminator": (4, 8, 8)}


def test_random_holes_are_filled_and_the_whole_image_is_painted():
    method, config, batch = make(**RANDOM)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    context, target = np.asarray(views["context"][0]), np.asarray(views["target"][0])
    for visible, whole, image in zip(context, target, batch["image"] / 255, strict=True):
        assert min(np.abs(whole - x).max() for x in (image, image[:, ::-1])) < 1e-6
        changed = (visible != whole).any(-1)
        assert changed.sum() == 16  # a quarter of 64
        np.testing.assert_allclose(visible[changed], [config.data.mean] * 16, atol=1e-6)
    _, (_, metrics) = jax.jit(method.loss)(params, extra, views, jax.random.key(2), jnp.int32(0))
    painter = context_encoder.from_module(lambda rngs: context_encoder._painter(config, rngs))
    normalized = (context - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x: painter.apply(params["painter"], extra["painter"], x, train=True)[0])
    made = np.asarray(run(normalized.astype(np.float32))["joint"], np.float64)
    assert made.shape == target.shape
    np.testing.assert_allclose(metrics["l2"], ((made - (2 * target - 1)) ** 2).mean(), rtol=1e-4)


def test_scores_of_random_holes_cover_the_hidden_pixels():
    method, _, batch = make(**RANDOM)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    key = jax.random.key(5)
    run = jax.jit(lambda *a: (method.score(*a), method.show(*a)))
    scores, pictures = run(params, extra, batch, key)
    truth = np.asarray(pictures["the original"], np.float64)
    hole = np.asarray(pictures["the hole"], np.float64)
    hidden = (np.abs(hole - truth) > 1e-6).any(-1)
    np.testing.assert_array_equal(hidden.sum((1, 2)), 16)
    fillings = {"": pictures["joint"], "_l2_alone": pictures["L2"]}
    for n, image in enumerate(truth):
        for ending, filled in fillings.items():
            picture = np.asarray(filled[n], np.float64)
            np.testing.assert_array_equal(picture[~hidden[n]], image[~hidden[n]])
            error = ((picture - image)[hidden[n]] ** 2).mean()
            np.testing.assert_allclose(scores[f"hole_mse{ending}"][n], error, rtol=1e-3)
            np.testing.assert_allclose(
                scores[f"hole_psnr{ending}"][n], -10 * np.log10(error), rtol=1e-3
            )
        mean = image[~hidden[n]].mean(axis=0)
        error = ((mean - image[hidden[n]]) ** 2).mean()
        np.testing.assert_allclose(scores["hole_mse_context_mean"][n], error, rtol=1e-3)


def test_the_adversarial_loss_alone_trains():
    """Only the generator's loss reaches the encoder, and 30 updates keep everything finite."""
    method, config, batch = make(adversarial=1.0)
    with config.unlocked():
        config.train.steps, config.optimizer.learning_rate = 30, 2e-2
    history = tiny.rows(method, config, batch)
    assert all(np.isfinite(list(row.values())).all() for row in history)
    assert all(row["skipped"] == 0 for row in history)
    last = history[-1]
    expected = last["generator_loss"] + last["discriminator_loss"] + last["l2_alone"]
    np.testing.assert_allclose(last["loss"], expected, rtol=1e-5)
    shapes = jax.eval_shape(method.init, jax.random.key(0), batch)
    shown = jax.eval_shape(lambda p, e: method.show(p, e, batch, jax.random.key(0)), *shapes)
    assert set(shown) == {"the hole", "L2", "adversarial", "the original"}


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
        ({"region": "random"}, r"^method.overlap: 1; expected 0 with method.region random"),
        (
            {"region": "random", "overlap": 0, "side": 12},
            r"^method.decoder: \(8,\) makes 8 pixels; .* double 4 to 12$",
        ),
    ],
)
def test_configs_that_cannot_be_painted_are_rejected(start, change, message):
    config = start[1].copy_and_resolve_references()
    with config.unlocked():
        config.method.overlap = change.get("overlap", 1)
        config.method.region = change.get("region", "middle")
        config.network.pool = change.get("pool", "grid")
        config.network.name = change.get("name", "resnet_small")
        config.data.image_size = change.get("side", 8)
    with pytest.raises(InputError, match=message):
        context_encoder.make(config)
