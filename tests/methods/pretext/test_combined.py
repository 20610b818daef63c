"""Several tasks at once: one backbone, whose gradient is the weighted sum over the tasks."""

from functools import partial
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import combined as preset
from ssl_jax import config as settings
from ssl_jax import methods
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Method
from ssl_jax.nn import backbones
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.train import optim
from tests import tiny
from tests.methods.case import Case, case_of, config_of

CASE = Case(
    {
        "tasks": ("rotation", "super_resolution"),
        "weights": (1.0, 0.5),
        "rotation": {"area": (0.5, 1.0)},
        "super_resolution": {"factor": 2, "decoder": (8,)},
    }
)
TASKS = {"rotation": 0.5, "byol": 1.5}


@pytest.fixture(scope="module", autouse=True)
def smallest_resnet(small_networks):
    """One residual block: compiling the network takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        one_block = partial(ResNet, blocks=(0, 1), widths=(4, 8), bottleneck=False)
        patch.setitem(backbones.RESNETS, "resnet_small", one_block)
        yield


def made(*names: str) -> dict[str, Method]:
    """Builds methods with the same network, the small ResNet."""
    configs = [tiny.config(name=name, **case_of(name).settings) for name in names]
    resolved = [tiny.resolved(config, tiny.data()) for config in configs]
    return dict(zip(names, map(methods.make, resolved), strict=True))


@pytest.fixture(scope="module")
def start():
    """Returns the tasks, their combination, and its state and views."""
    tasks = made(*TASKS)
    method = methods.combine({name: (tasks[name], weight) for name, weight in TASKS.items()})
    batch = tiny.batch(tiny.data())
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    return tasks, method, batch, params, extra, views


def own_params(name, params):
    """Puts the shared backbone where each of the methods has it."""
    own = dict(params["tasks"][name])
    if name == "byol":
        return own | {"encoder": own["encoder"] | {"backbone": params["backbone"]}}
    return own | {"backbone": params["backbone"]}


def own_views(name, views):
    return {key.split("/")[1]: x for key, x in views.items() if key.split("/")[0] == name}


def size(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def test_the_backbone_exists_once(start):
    tasks, _, batch, params, _, _ = start
    key = jax.random.key(0)
    alone = [size(jax.eval_shape(task.init, key, batch)[0]) for task in tasks.values()]
    assert size(params) == sum(alone) - (len(TASKS) - 1) * size(params["backbone"])
    assert size(params["backbone"]) > 0


def test_loss_and_gradient_are_the_weighted_sums_over_the_tasks(start):
    tasks, method, _, params, extra, views = start
    key, step = jax.random.key(2), jnp.int32(0)

    def loss(params):
        return method.loss(params, extra, views, key, step)

    def separate(trees):
        found = []
        for name, own_key in zip(TASKS, jax.random.split(key, len(TASKS)), strict=True):
            arguments = trees[name], extra[name], own_views(name, views), own_key, step
            found.append(tasks[name].loss(*arguments))
        total = sum(w * value for w, (value, _) in zip(TASKS.values(), found, strict=True))
        return total, found

    (value, (new, metrics)), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    trees = {name: own_params(name, params) for name in TASKS}
    (expected, found), apart = jax.jit(jax.value_and_grad(separate, has_aux=True))(trees)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    backbones = [
        (apart[name]["encoder"] if name == "byol" else apart[name])["backbone"] for name in TASKS
    ]
    summed = jax.tree.map(lambda *x: sum(x), *backbones)
    chex.assert_trees_all_close(gradient["backbone"], summed, rtol=1e-3, atol=1e-5)
    for part in backbones:
        assert max(np.abs(x).max() for x in jax.tree.leaves(part)) > 1e-3
    np.testing.assert_allclose(
        gradient["tasks"]["rotation"]["head"]["kernel"],
        apart["rotation"]["head"]["kernel"],
        rtol=1e-4,
        atol=1e-6,
    )
    for name, (own_value, (own_extra, own_metrics)) in zip(TASKS, found, strict=True):
        chex.assert_trees_all_close(new[name], own_extra, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(metrics[f"{name}/loss"], own_value, rtol=1e-5)
        for key, number in own_metrics.items():
            np.testing.assert_allclose(metrics[f"{name}/{key}"], number, rtol=1e-3)


def test_scores_and_pictures_are_those_of_the_tasks():
    batch, key = tiny.batch(tiny.data()), jax.random.key(3)
    tasks = made("rotation", "context_encoder")
    method = methods.combine({name: (task, 1.0) for name, task in tasks.items()})
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    keys = dict(zip(tasks, jax.random.split(key, 2), strict=True))
    painter = params["tasks"]["context_encoder"]["painter"] | {"encoder": params["backbone"]}
    trees = {
        "rotation": params["tasks"]["rotation"] | {"backbone": params["backbone"]},
        "context_encoder": params["tasks"]["context_encoder"] | {"painter": painter},
    }

    @jax.jit
    def run(params, extra, trees):
        apart = {
            name: (
                task.score(trees[name], extra[name], batch, keys[name]),
                task.show(trees[name], extra[name], batch, keys[name]),
            )
            for name, task in tasks.items()
        }
        return (
            method.score(params, extra, batch, key),
            method.show(params, extra, batch, key),
            apart,
        )

    scores, pictures, apart = run(params, extra, trees)
    assert {"rotation/rotation_accuracy", "context_encoder/hole_mse"} <= scores.keys()
    assert len(pictures) == 4
    for name, (own_scores, own_pictures) in apart.items():
        for key, x in own_scores.items():
            np.testing.assert_allclose(scores[f"{name}/{key}"], x, rtol=1e-5)
        for title, x in own_pictures.items():
            np.testing.assert_allclose(pictures[f"{name}: {title}"], x, atol=1e-5)


def test_a_teacher_starts_as_the_shared_backbone_and_follows_it(start):
    _, method, _, params, extra, _ = start
    teacher = extra["byol"]["teacher"]["params"]["backbone"]
    chex.assert_trees_all_equal(teacher, params["backbone"])
    moved = params | {"backbone": jax.tree.map(lambda x: x + 1, params["backbone"])}
    same, after = jax.jit(method.update)(moved, extra, jnp.int32(0))
    chex.assert_trees_all_equal(same, moved)
    momentum = config_of("byol", tiny.data()).method.momentum
    expected = jax.tree.map(lambda x: x + (1 - momentum), teacher)
    chex.assert_trees_all_close(
        after["byol"]["teacher"]["params"]["backbone"], expected, rtol=1e-5, atol=1e-6
    )


def test_every_method_on_images_can_be_a_task():
    """Each has the backbone of the first; DINO keeps its teacher's and trains its student's."""
    batch = tiny.batch(tiny.data())
    names = ("dino", "moco")
    method = methods.combine({name: (task, 1.0) for name, task in made(*names).items()})

    def gradient(key):
        params, extra = method.init(key, batch)
        views = method.views(key, batch)

        def loss(params):
            return method.loss(params, extra, views, key, jnp.int32(0))[0]

        return jax.grad(loss)(params)

    # only traced: the structure shows that the backbone occurs once
    shapes = jax.eval_shape(gradient, jax.random.key(0))
    assert shapes["tasks"]["dino"]["backbone"] == {}
    assert shapes["tasks"]["moco"]["backbone"] == {}
    assert size(shapes["backbone"]) > 0


def test_a_backbone_from_elsewhere_reaches_every_task_and_teacher(start):
    _, method, batch, params, extra, _ = start
    other, _ = jax.jit(method.init)(jax.random.key(9), batch)
    _, stats = method.backbone(params, extra)
    stats = jax.tree.map(lambda x: x + 1, stats)
    changed, new = method.with_backbone(params, extra, (other["backbone"], stats))
    chex.assert_trees_all_equal(changed["backbone"], other["backbone"])
    chex.assert_trees_all_equal(changed["tasks"], params["tasks"])
    chex.assert_trees_all_equal(new["byol"]["teacher"]["params"]["backbone"], other["backbone"])
    for trees in (new["rotation"], new["byol"]["encoder"]):
        chex.assert_trees_all_equal(trees["backbone"], stats)


def test_methods_that_cannot_share_a_backbone_are_refused():
    batch = tiny.batch(tiny.data())
    rotation = made("rotation")["rotation"]
    with pytest.raises(InputError, match=r"^method.tasks: there are none; expected at least one$"):
        methods.combine({})
    bare = Method(*rotation[:5])
    with pytest.raises(InputError, match=r"^method.tasks: bare does not say where its backbone"):
        methods.combine({"rotation": (rotation, 1.0), "bare": (bare, 1.0)})
    labeled = rotation._replace(inputs=("image", "label"))
    with pytest.raises(InputError, match=r"^method.tasks: labeled asks for image, label; expected"):
        methods.combine({"labeled": (labeled, 1.0)})
    other = config_of("rotation", tiny.data())
    with other.unlocked():
        other.network.name = "vit_nano"
        other.network.patch_size = 2
    combined = methods.combine({"a": (rotation, 1.0), "b": (methods.make(other), 1.0)})
    with pytest.raises(InputError, match=r"^method.tasks: the backbones of a and b differ; "):
        jax.eval_shape(combined.init, jax.random.key(0), batch)


def test_each_task_has_its_settings_in_a_block():
    config = settings.defaults("combined")
    config.train.steps = 4
    settings.check(config)
    assert set(config.method) == {"name", "tasks", "weights", "rotation", "context_encoder"}
    assert config.method.context_encoder.overlap == 4
    config.method.context_encoder.overlap = -1
    with pytest.raises(InputError, match=r"^method.context_encoder.overlap: -1; expected a whole"):
        settings.check(config)
    config.method.context_encoder.overlap = 2
    with pytest.raises(InputError, match=r"^method.tasks: \('rotation', 'jig'\); expected some of"):
        settings.check(changed(config, tasks=("rotation", "jig")))
    expected = r"^method.context_encoder.adversarial: combined has no such setting; expected tasks,"
    with pytest.raises(InputError, match=expected):
        settings.check(changed(config, tasks=("rotation",)))
    assert (
        settings.meanings(config)["method.rotation.area"]
        == settings.meanings(settings.defaults("rotation"))["method.area"]
    )


def changed(config: ConfigDict, **values) -> ConfigDict:
    copy = config.copy_and_resolve_references()
    with copy.unlocked():
        copy.method.update(values)
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weights": (1.0,)},
            r"^method.weights: \(1.0,\); expected one number for each of rotation, super_res",
        ),
        ({"tasks": ("rotation", "next_word")}, r"^network.name: 'resnet_small' is not a GPT"),
        (
            {"tasks": ("rotation", "context_encoder"), "context_encoder": {"overlap": 9}},
            r"^method.context_encoder.overlap: 9 leaves nothing of 4 pixels to hide",
        ),
    ],
)
def test_configs_that_cannot_be_combined_are_rejected(change, message):
    config = tiny.config(name="combined", **dict(CASE.settings) | change)
    for task in set(config.method) - {"name", "weights", "tasks", *config.method.tasks}:
        del config.method[task]
    resolved, batch = tiny.resolved(config, tiny.data()), tiny.batch(tiny.data())
    with pytest.raises(InputError, match=message):
        jax.eval_shape(lambda key: methods.make(resolved).init(key, batch), jax.random.key(0))


def test_the_config_takes_each_task_from_its_own_config():
    config = preset.get_config("tasks=mae+simclr")
    mae, simclr = (import_module(f"configs.{name}").get_config() for name in ("mae", "simclr"))
    assert config.network == mae.network
    assert config.method.mae.mask_ratio == mae.method.mask_ratio
    assert config.method.simclr.projector == simclr.method.projector
    assert "rotation" not in config.method
    with pytest.raises(InputError, match=r"^method.tasks: \('mae', 'clr'\); expected some of"):
        preset.get_config("tasks=mae+clr")


def test_paper_preset_is_a_combination_of_two_of_the_paper_s_tasks():
    config = preset.get_config("paper").copy_and_resolve_references()
    assert config.method.tasks == ("relative_position", "colorization")
    facts = {"modality": "image", "channels": 3, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    method = methods.make(settings.resolve(config, facts, 1_281_167, 1))
    side = config.data.image_size
    batch = {"image": jax.ShapeDtypeStruct((8, side, side, 3), jnp.uint8)}
    params, _ = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert params["tasks"].keys() == set(config.method.tasks)


def test_an_optimizer_of_a_task_stays_its_own():
    config = preset.get_config()
    assert config.optimizer.groups.discriminator.learning_rate < config.optimizer.learning_rate
    base = tiny.config(
        name="combined",
        tasks=("rotation", "context_encoder"),
        weights=(1.0, 1.0),
        context_encoder=dict(case_of("context_encoder").settings),
    )
    base.optimizer.groups.discriminator = ConfigDict({"learning_rate": 1e-9})
    resolved = tiny.resolved(base, tiny.data())
    method = methods.make(resolved)
    shapes, _ = jax.eval_shape(method.init, jax.random.key(0), tiny.batch(tiny.data()))
    optimizer = optim.make(resolved)
    ones = jax.tree.map(lambda x: jnp.ones(x.shape), shapes)
    updates, _ = jax.jit(lambda x: optimizer.update(x, optimizer.init(x), x))(ones)

    def largest(tree):
        return max(np.abs(x).max() for x in jax.tree.leaves(tree))

    own = updates["tasks"]["context_encoder"]
    assert 0 < largest(own["discriminator"]) < 1e-8 < 1e-5 < largest(own["painter"])
