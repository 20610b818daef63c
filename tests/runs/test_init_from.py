"""A run starts from the backbone of an earlier run, whichever method trained that one."""

import shutil
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

import ssl_jax
from ssl_jax import methods
from ssl_jax.data import labeled
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Method
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.nn import backbones, from_module
from ssl_jax.runs.init_from import with_backbone_of
from ssl_jax.runs.run import Run
from ssl_jax.runs.workdir import make_workdir
from ssl_jax.train import checkpoint, optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import create
from tests import tiny
from tests.methods.case import MLP, VIT, case_of
from tests.runs import own

RESNET = {"pool": "mean"}


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield


def config_of(name: str, network: dict, dataset) -> ConfigDict:
    config = tiny.config(name=name, **case_of(name).settings)
    config.network.update({"name": "gpt_nano"} if name == "next_word" else network)
    return tiny.resolved(config, dataset)


def start_of(method: Method, dataset, seed: int):
    """Returns ``params`` and ``extra`` with noise, so that teachers differ from students."""
    batch = batch_like(dataset.pretrain[0], tiny.BATCH)
    leaves, tree = jax.tree.flatten(method.init(jax.random.key(seed), batch))
    rng = np.random.default_rng(seed)
    return tree.unflatten(
        x + jnp.asarray(rng.uniform(0.0, 0.1, x.shape), x.dtype)
        if jnp.issubdtype(x.dtype, jnp.floating)
        else x
        for x in leaves
    )


def saved(workdir, config: ConfigDict, method: Method, dataset) -> Run:
    """Writes a workdir as a run leaves it after seven steps, without training."""
    params, extra = start_of(method, dataset, seed=1)
    make_workdir(workdir, config, dataset.assets)
    optimizer = optim.make(config)
    state = create(method._replace(init=lambda *_: (params, extra)), optimizer, None, None)
    checkpoints = Checkpoints(workdir / checkpoint.FOLDER)
    checkpoints.save(7, state._replace(step=jnp.int32(7)))
    checkpoints.close()
    return Run(config, method, params, extra, 7, dataset.assets)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Returns a function from a method and a network to a run, which is made on first use."""
    made = {}

    def get(name: str, network: dict = RESNET):
        key = (name, *sorted(network.items()))
        if key not in made:
            dataset = case_of(name).data()
            config = config_of(name, network, dataset)
            workdir = tmp_path_factory.mktemp("earlier") / name
            made[key] = workdir, saved(workdir, config, methods.make(config), dataset)
        return made[key]

    return get


def taken_over(workdir, run: Run):
    """Starts a run's method anew; returns its state before and after, and the line about it."""
    dataset = case_of(run.config.method.name).data()
    before = start_of(run.method, dataset, seed=2)
    network = run.config.network
    *after, said = with_backbone_of(workdir, run.method, *before, tiny.placement(8), network)
    return before, tuple(after), said


PAIRS = [
    ("simclr", "byol", RESNET),
    ("byol", "moco", RESNET),
    ("moco", "simsiam", RESNET),
    ("simsiam", "rotation", RESNET),
    ("rotation", "context_encoder", {"pool": "grid"}),
    ("context_encoder", "simclr", {"pool": "grid"}),
    ("simclr", "frame_order", RESNET),
    ("frame_order", "simclr", RESNET),
    ("simclr", "dino", RESNET),
    ("simclr", "finetune", RESNET),
    ("finetune", "byol", RESNET),
    ("dino", "mae", VIT),
    ("mae", "dino", VIT),
    ("mae", "simclr", VIT),
    ("autoencoder", "super_resolution", RESNET),
    ("super_resolution", "denoising_autoencoder", MLP),
    ("denoising_autoencoder", "finetune", MLP),
    ("next_word", "next_word", {}),
]


@pytest.mark.parametrize(("source", "target", "network"), PAIRS)
def test_the_backbone_is_replaced_and_nothing_else(earlier, source, target, network):
    workdir, run = earlier(source, network)
    _, later = earlier(target, network)
    before, after, said = taken_over(workdir, later)
    backbone = run.method.backbone(run.params, run.extra)
    chex.assert_trees_all_equal(later.method.backbone(*after), backbone)
    assert said.startswith(f"init_from: {workdir}: took the backbone, ")
    assert f" {len(jax.tree.leaves(backbone))} arrays after 7 steps; not taken: " in said
    chex.assert_trees_all_equal_shapes_and_dtypes(after, before)
    # with the old backbone put back, nothing else has changed
    old = later.method.backbone(*before)
    assert len(jax.tree.leaves(old[0])) > 5
    chex.assert_trees_all_equal(
        later.method.with_backbone(*after, old), later.method.with_backbone(*before, old)
    )


@pytest.mark.parametrize(
    ("source", "target", "network"),
    [("simclr", "byol", RESNET), ("byol", "dino", RESNET), ("dino", "mae", VIT)],
)
def test_features_equal_those_of_the_earlier_run(earlier, source, target, network):
    workdir, run = earlier(source, network)
    _, later = earlier(target, network)
    images = tiny.data().test.take(np.arange(8))["image"]
    (before, after, _), expected = taken_over(workdir, later), run.embed(images)
    params, extra = after
    found = later._replace(params=params, extra=extra).embed(images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    params, extra = before
    other = later._replace(params=params, extra=extra).embed(images)
    assert not np.allclose(other, expected, rtol=1e-2, atol=1e-2)


def test_in_byol_the_teacher_gets_a_copy_of_its_own(earlier):
    workdir, run = earlier("simclr")
    _, (params, extra), said = taken_over(workdir, earlier("byol")[1])
    student, teacher = params["encoder"]["backbone"], extra["teacher"]["params"]["backbone"]
    chex.assert_trees_all_equal(student, run.params["backbone"])
    chex.assert_trees_all_equal(teacher, run.params["backbone"])
    stats = extra["encoder"]["backbone"], extra["teacher"]["stats"]["backbone"]
    chex.assert_trees_all_equal(*stats, run.extra["backbone"])
    pairs = zip(jax.tree.leaves(student), jax.tree.leaves(teacher), strict=True)
    assert all(a is not b for a, b in pairs)
    assert said.endswith("; not taken: params/projector, extra/projector")


def test_from_dino_the_teacher_is_taken(earlier):
    workdir, run = earlier("dino", VIT)
    _, (params, _), said = taken_over(workdir, earlier("mae", VIT)[1])
    chex.assert_trees_all_equal(params["encoder"], run.extra["teacher"]["params"]["backbone"])
    left = said.partition("; not taken: ")[2].split(", ")
    assert sorted(left) == ["extra/center", "extra/teacher/params/head", "params"]


def test_another_network_is_refused_by_the_name_of_the_first_array_that_differs(earlier):
    workdir, _ = earlier("simclr")
    config = config_of("byol", RESNET | {"stem": "small"}, tiny.data())
    method = methods.make(config)
    start = start_of(method, tiny.data(), 2)
    with pytest.raises(InputError) as caught:
        with_backbone_of(workdir, method, *start, tiny.placement(8), config.network)
    assert str(caught.value) == (
        f"init_from: {workdir}: the backbones differ: the parameter conv/kernel is "
        "float32[4, 4, 1, 4] there and float32[3, 3, 1, 4] here; "
        "expected the same network.stem ('patch' there, 'small' here)"
    )


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture(scope="module")
def own_run(data, tmp_path_factory):
    """An earlier run of a method that no config names."""
    config, workdir = tiny.resolved(own.config(), data), tmp_path_factory.mktemp("own") / "run"
    return workdir, saved(workdir, config, own.denoiser(config), data)


def with_another(method: Method, params, stats) -> Method:
    """Returns the method with another backbone in its new state than in its earlier run."""
    asked = []

    def backbone(*state):
        asked.append(1)
        return method.backbone(*state) if len(asked) == 1 else (params, stats)

    return method._replace(backbone=backbone)


@pytest.mark.parametrize(
    ("params", "stats", "culprit"),
    [
        ({"bias": 2}, {}, r"parameter bias is absent there and float32\[2\] here"),
        ({"last": 2}, {}, r"parameter kernel is float32\[64, 6\] there and absent here"),
        ({"kernel": (64, 6)}, {"mean": 6}, r"BatchNorm statistic mean is absent there and float32"),
    ],
)
def test_an_array_that_only_one_backbone_has_is_named(own_run, data, params, stats, culprit):
    workdir, run = own_run
    params, stats = ({k: jnp.zeros(shape) for k, shape in x.items()} for x in (params, stats))
    method = with_another(run.method, params, stats)
    trees, network = (run.params, run.extra), run.config.network
    with pytest.raises(
        InputError, match=f"^init_from: {workdir}: the backbones differ: the {culprit}"
    ):
        with_backbone_of(workdir, method, *trees, tiny.placement(8), network)


class Begun(Exception):
    """Ends a run before its training; holds the state that it would train."""


@pytest.fixture
def no_training(monkeypatch):
    def begin(method, optimizer, state, *_):
        raise Begun(state)

    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "train", begin)


def begin(make, data, config, workdir):
    """Returns the state that a run would train."""
    with pytest.raises(Begun) as caught:
        ssl_jax.fit(make, data, config, workdir=workdir)
    return caught.value.args[0]


def test_a_run_starts_from_the_backbone_and_says_so(own_run, data, tmp_path, no_training, capsys):
    workdir, run = own_run
    state = begin(own.denoiser, data, own.config(init_from=str(workdir)), tmp_path / "run")
    assert int(state.step) == 0
    chex.assert_trees_all_equal(state.params["encoder"], run.params["encoder"])
    assert not np.array_equal(state.params["decoder"]["kernel"], run.params["decoder"]["kernel"])
    assert {len(x.devices()) for x in jax.tree.leaves(state)} == {8}
    assert capsys.readouterr().out.splitlines()[0] == (
        f"init_from: {workdir}: took the backbone, 1 arrays after 7 steps; "
        "not taken: params/decoder, extra"
    )


def test_a_user_s_method_can_start_from_the_backbone_of_a_built_in_one(
    earlier, data, tmp_path, no_training
):
    def make(config):
        network = from_module(lambda rngs: backbones.make(config, rngs))

        def init(key, batch):
            params, stats = network.init(key)
            return {"trunk": params, "head": jnp.zeros((8, own.CLASSES))}, {"trunk": stats}

        backbone, with_backbone = backbone_at("params/trunk", "extra/trunk")
        return own.classifier(config)._replace(
            init=init,
            embed=lambda *_: {"features": jnp.zeros((1, 8))},
            backbone=backbone,
            with_backbone=with_backbone,
        )

    workdir, run = earlier("simclr")
    state = begin(make, labeled(data), own.config(init_from=str(workdir)), tmp_path / "run")
    chex.assert_trees_all_equal(state.params["trunk"], run.params["backbone"])
    chex.assert_trees_all_equal(state.extra["trunk"], run.extra["backbone"])


def test_a_resumed_run_does_not_read_the_earlier_run_again(own_run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "evaluate_run", lambda *_: None)
    shutil.copytree(own_run[0], tmp_path / "earlier")
    config = own.config(init_from=str(tmp_path / "earlier"))
    first = ssl_jax.fit(own.denoiser, data, config, workdir=tmp_path / "run")
    shutil.rmtree(tmp_path / "earlier")
    again = ssl_jax.fit(own.denoiser, data, config, workdir=tmp_path / "run")
    chex.assert_trees_all_equal(again.params, first.params)


def test_a_method_that_does_not_copy_the_backbone_can_be_trained(
    own_run, data, tmp_path, monkeypatch
):
    """A step donates its input, and no buffer can be donated twice."""
    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "evaluate_run", lambda *_: None)

    def make(config):
        method = own.denoiser(config)

        def init(key, batch):
            params, extra = method.init(key, batch)
            return params, extra | {"teacher": jax.tree.map(jnp.copy, params["encoder"])}

        def with_backbone(params, extra, backbone):
            return params | {"encoder": backbone[0]}, extra | {"teacher": backbone[0]}

        def loss(params, extra, *rest):
            value, (counted, metrics) = method.loss(params, extra, *rest)
            return value, (extra | counted, metrics)

        return method._replace(init=init, loss=loss, with_backbone=with_backbone)

    config = tiny.resolved(own.config(), data)
    run = saved(tmp_path / "earlier", config, make(config), data)
    config = own.config(init_from=str(tmp_path / "earlier"))
    trained = ssl_jax.fit(make, data, config, workdir=tmp_path / "run")
    chex.assert_trees_all_equal(trained.extra["teacher"], run.params["encoder"])


def test_a_missing_run_and_a_run_without_a_checkpoint_are_refused(own_run, data, tmp_path):
    for there, culprit in ((False, r"has no config\.json"), (True, "has no checkpoint")):
        if there:
            make_workdir(tmp_path / "none", own_run[1].config, {})
        config = own.config(init_from=str(tmp_path / "none"))
        with pytest.raises(InputError, match=f"^init_from: {tmp_path}/none: {culprit}") as caught:
            ssl_jax.fit(own.denoiser, data, config, workdir=tmp_path / "run")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()


def test_a_run_of_another_user_s_method_is_refused(own_run, data, tmp_path):
    """Its checkpoint holds what this method does not have."""
    config = own.config(init_from=str(own_run[0]))
    with pytest.raises(InputError, match=r"^init_from: .*: does not fit: ") as caught:
        ssl_jax.fit(own.classifier, labeled(data), config, workdir=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["backbone", "with_backbone"])
def test_a_method_without_a_backbone_is_refused(own_run, data, tmp_path, missing):
    def make(config):
        return own.denoiser(config)._replace(**{missing: Method._field_defaults[missing]})

    config = own.config(init_from=str(own_run[0]))
    with pytest.raises(InputError) as caught:
        ssl_jax.fit(make, data, config, workdir=tmp_path / "run")
    assert str(caught.value) == (
        "init_from: the method does not say where its backbone is; "
        "expected Method.backbone and Method.with_backbone"
    )
    assert not (tmp_path / "run").exists()
