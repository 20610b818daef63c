"""DINO: crops, loss, schedules, and collapse without centering or sharpening."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.dino import get_config
from ssl_jax import config as settings
from ssl_jax.errors import InputError
from ssl_jax.methods.distillation import dino
from ssl_jax.nn import from_module
from ssl_jax.report.collapse import verdict
from tests import tiny
from tests.methods.case import MLP, Case
from tests.references import distillation

CASE = Case(
    {
        "head": (16, 8),
        "prototypes": 24,
        "student_temperature": 0.1,
        "teacher_temperature": 0.07,
        "teacher_temperature_start": 0.04,
        "warmup": 0.5,
        "frozen": 0.25,
        "momentum": 0.9,
        "center_momentum": 0.9,
        "local_views": 1,
        "augment": {"area": (0.5, 1.0), "small_size": 8, "small_area": (0.2, 0.5)},
    },
    network=MLP,
)

STEPS = 60


def make(**changes):
    config = tiny.config(
        name="dino",
        head=(32, 16),
        prototypes=32,
        student_temperature=0.1,
        teacher_temperature=0.04,
        teacher_temperature_start=0.04,
        warmup=0.0,
        frozen=0.0,
        momentum=0.9,
        center_momentum=0.9,
        local_views=2,
        augment={"area": (0.5, 1.0), "small_size": 4, "small_area": (0.3, 0.6)},
    )
    config.network.update({"name": "vit_nano", "patch_size": 4, "pool": "mean"})
    config.train.steps = STEPS
    config.optimizer.update({"learning_rate": 0.02, "clip_norm": 3.0})
    config.method.update(changes)
    dataset = tiny.data()
    config = tiny.resolved(config, dataset)
    batch = tiny.batch(dataset)
    return dino.make(config), config, batch


@pytest.mark.slow
def test_training_does_not_collapse():
    judged = verdict(tiny.rows(*make()), {})
    assert judged.healthy, judged


@pytest.mark.slow
def test_without_centering_every_example_chooses_the_same_prototype():
    judged = verdict(tiny.rows(*make(center_momentum=1.0)), {})
    assert not judged.healthy
    assert "every example chooses the same of 32 prototypes" in judged.text


def test_without_sharpening_the_output_becomes_uniform():
    judged = verdict(tiny.rows(*make(teacher_temperature=1.0, teacher_temperature_start=1.0)), {})
    assert not judged.healthy
    assert "the output is the same for all 32 prototypes" in judged.text
    assert "ln 32 = 3.4657" in judged.text


def test_an_mlp_reads_small_crops_only_if_they_have_the_size_of_the_image():
    config = make()[1].copy_and_resolve_references()
    config.network.name = "mlp"
    expected = r"^method.augment.small_size: 4, but mlp reads one size of images; expected 8$"
    with pytest.raises(InputError, match=expected):
        dino.make(config)
    config.method.augment.small_size = 8
    dino.make(config)


@pytest.fixture(scope="module")
def made():
    method, config, batch = make(frozen=0.5, teacher_temperature_start=0.02, warmup=0.5)
    return method, config, batch, *method.init(jax.random.key(0), batch)


def test_views_are_two_large_crops_and_local_views_small_ones(made):
    method, _, batch, *_ = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    assert views["large"].shape == (2, tiny.BATCH, 8, 8, 1)
    assert views["small"].shape == (2, tiny.BATCH, 4, 4, 1)
    assert not np.array_equal(views["small"][0], views["small"][1])


def test_loss_compares_student_on_all_crops_with_teacher_on_large_ones(made):
    method, config, batch, params, extra = made
    views = jax.jit(method.views)(jax.random.key(1), batch)
    extra = extra | {"center": jnp.linspace(-0.1, 0.1, 32)}
    teacher = jax.tree.map(lambda x: x * 1.2, extra["teacher"]["params"])
    extra["teacher"] = extra["teacher"] | {"params": teacher}
    step = jnp.int32(15)  # halfway through warm-up
    value, (after, _) = jax.jit(method.loss)(params, extra, views, jax.random.key(2), step)
    network = from_module(lambda rngs: dino.Network(config, rngs))

    @jax.jit
    def logits(params, images):
        x = (images - np.array(config.data.mean)) / np.array(config.data.std)
        return network.apply(params, {}, x.astype(jnp.float32), train=True)[0]["logits"]

    student = [logits(params, view) for name in ("large", "small") for view in views[name]]
    targets = [logits(teacher, view) for view in views["large"]]
    student, targets = np.asarray(student, np.float64), np.asarray(targets, np.float64)
    expected = distillation.dino(
        student,
        targets,
        np.asarray(extra["center"]),
        student_temperature=0.1,
        teacher_temperature=0.03,
    )
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)
    moved = 0.9 * np.asarray(extra["center"]) + 0.1 * targets.mean((0, 1))
    np.testing.assert_allclose(after["center"], moved, atol=1e-5)


def test_only_prototypes_are_frozen_at_first(made):
    method, _, batch, params, extra = made
    views = jax.jit(method.views)(jax.random.key(1), batch)

    @jax.jit
    def gradient(step):
        def loss(params):
            return method.loss(params, extra, views, jax.random.key(2), step)[0]

        return jax.grad(loss)(params)

    early, late = gradient(jnp.int32(29)), gradient(jnp.int32(30))
    assert not np.any(early["head"]["prototypes"])
    assert np.any(late["head"]["prototypes"])
    for a, b in zip(
        jax.tree.leaves(early["backbone"]), jax.tree.leaves(late["backbone"]), strict=True
    ):
        assert np.any(a)
        assert a.shape == b.shape


def test_scales_of_prototypes_are_frozen_with_them_and_then_learned():
    method, _, batch = make(frozen=0.5, scaled=True)
    params, extra = method.init(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)

    @jax.jit
    def gradient(params, step):
        def loss(params):
            return method.loss(params, extra, views, jax.random.key(2), step)[0]

        return jax.value_and_grad(loss)(params)

    first, early = gradient(params, jnp.int32(29))
    _, late = gradient(params, jnp.int32(30))
    assert not np.any(early["head"]["scales"])
    assert np.any(late["head"]["scales"])
    sharper = params | {"head": params["head"] | {"scales": 2 * params["head"]["scales"]}}
    assert gradient(sharper, jnp.int32(30))[0] != first


def test_the_student_alone_drops_branches():
    method, _, batch = make(drop_path=0.5)
    plain, *_ = make()
    params, extra = method.init(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)

    def run(method, key):
        value, (after, _) = jax.jit(method.loss)(params, extra, views, jax.random.key(key), 30)
        return float(value), np.asarray(after["center"])

    (first, center), (again, _), (other, same) = run(method, 2), run(method, 2), run(method, 3)
    whole, expected = run(plain, 2)
    assert first == again
    assert len({first, other, whole}) == 3
    for found in (center, same):
        np.testing.assert_array_equal(found, expected)


def test_paper_preset_is_the_authors_command():
    """The boosted run of the README of facebookresearch/dino, and the defaults of main_dino.py."""
    config = get_config("paper")
    method, optimizer = config.method, config.optimizer
    assert (method.augment.area, method.augment.small_area) == ((0.4, 1.0), (0.05, 0.4))
    assert (method.local_views, method.augment.small_size) == (8, 96)
    assert (method.teacher_temperature_start, method.teacher_temperature) == (0.04, 0.07)
    assert (method.warmup, method.frozen) == (30 / 300, 1 / 300)
    assert (method.momentum, method.center_momentum, method.prototypes) == (0.996, 0.9, 65_536)
    assert (method.scaled, method.drop_path, method.head) == (True, 0.1, (2048, 2048, 256))
    assert (optimizer.learning_rate, optimizer.learning_rate_end) == (5e-4, 1e-6)
    assert (optimizer.warmup, optimizer.clip_norm) == (10 / 300, 3.0)
    assert (optimizer.weight_decay, optimizer.weight_decay_end) == (0.04, 0.4)
    assert (config.data.batch_size, config.train.epochs) == (1024, 300)


def test_features_come_from_the_teacher(made):
    method, _, batch, params, extra = made
    other = jax.tree.map(lambda x: x + 1, params)
    embed = jax.jit(method.embed)
    np.testing.assert_array_equal(
        embed(params, extra, batch)["features"], embed(other, extra, batch)["features"]
    )


def test_paper_preset_backbone_has_the_published_size():
    facts = {"image_size": 224, "channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    config = settings.resolve(get_config("paper"), facts, 1_281_167, 1)
    batch = {"image": jax.ShapeDtypeStruct((8, 224, 224, 3), np.uint8)}
    method = dino.make(config)
    params, extra = jax.eval_shape(method.init, jax.random.key(0), batch)
    backbone = sum(x.size for x in jax.tree.leaves(params["backbone"]))
    assert backbone == 21_665_664  # ViT-S/16 of Table 1, 21 M
    loss = jax.eval_shape(
        lambda p, e, b, k: method.loss(p, e, method.views(k, b), k, jnp.int32(0))[0],
        params,
        extra,
        batch,
        jax.random.key(0),
    )
    assert loss.shape == ()
