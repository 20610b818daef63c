"""Methods that a user wrote: given to ``fit`` or built by it, with and without labels."""

import json
from importlib import import_module

import chex
import jax
import numpy as np
import pytest

import ssl_jax
from ssl_jax.data import labeled
from ssl_jax.errors import InputError
from ssl_jax.train.metrics import read
from tests import tiny
from tests.runs import own

CLOCKS = {"examples_per_second", "input_wait"}


@pytest.fixture(scope="module")
def data():
    return tiny.data()


@pytest.fixture
def training_only(monkeypatch):
    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "evaluate_run", lambda *_: None)


def without_labels(data):
    """Returns the same images without their labels."""
    images, tests = (s.take(np.arange(len(s)))["image"] for s in (data.train, data.test))
    return ssl_jax.data.from_arrays(images, test_images=tests)


def rows(workdir):
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in read(workdir)]


def batches_seen(method, seen):
    """Returns the method; ``seen`` gets the names of the entries of its batches."""

    def views(key, batch):
        seen.append(sorted(batch))
        return method.views(key, batch)

    return method._replace(views=views)


def test_fit_with_a_make_function_equals_fit_with_the_method_that_it_builds(
    data, tmp_path, training_only
):
    config, resolved = own.config(), tiny.resolved(own.config(), data)
    built = []

    def make(config):
        built.append(config)
        return own.denoiser(config)

    run = ssl_jax.fit(make, data, config, workdir=tmp_path / "make")
    other = ssl_jax.fit(own.denoiser(resolved), data, resolved, workdir=tmp_path / "method")
    assert [one.to_dict() for one in built] == [resolved.to_dict()]
    assert run.config.to_dict() == other.config.to_dict() == resolved.to_dict()
    assert len(rows(tmp_path / "make")) == 4
    assert rows(tmp_path / "make") == rows(tmp_path / "method")
    chex.assert_trees_all_equal((run.params, run.extra), (other.params, other.extra))


def test_a_batch_holds_no_labels_unless_the_method_asks(data, tmp_path, training_only):
    seen = []
    config = tiny.resolved(own.config(), data)
    ssl_jax.fit(batches_seen(own.denoiser(config), seen), data, config, workdir=tmp_path / "none")
    assert seen == [["image"]]
    seen.clear()
    method = batches_seen(own.classifier(config), seen)
    ssl_jax.fit(method, data, config, workdir=tmp_path / "labels")
    assert seen == [["image", "label"]]


def test_a_method_that_asks_for_labels_learns_them(data, tmp_path):
    config = own.config(**{"train.steps": 60, "train.checkpoint_every": 60})
    run = ssl_jax.fit(own.classifier, labeled(data), config, workdir=tmp_path / "run")
    found = read(tmp_path / "run")
    assert found[0]["loss"] == pytest.approx(np.log(own.CLASSES), rel=1e-5)
    assert found[-1]["loss"] < found[0]["loss"] / 2
    assert found[-1]["accuracy"] > 0.9
    logits = run.embed(data.test.take(np.arange(24))["image"]) @ run.params["head"]["kernel"]
    assert (logits.argmax(1) == data.test.labels).mean() > 0.9
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["linear_top1"] > 0.9


def test_wrong_labels_are_not_learned(data, tmp_path, training_only):
    """With the labels of other examples the same method does not learn."""
    images = data.train.take(np.arange(40))
    wrong = np.random.default_rng(0).permutation(images["label"])
    shuffled = ssl_jax.data.from_arrays(
        images["image"], wrong, test_images=images["image"], test_labels=wrong
    )
    config = own.config(**{"train.steps": 60, "train.checkpoint_every": 60})
    ssl_jax.fit(own.classifier, shuffled, config, workdir=tmp_path / "run")
    assert read(tmp_path / "run")[-1]["accuracy"] < 0.9


def test_labeled_trains_on_the_labeled_examples(data):
    more = data._replace(pretrain=without_labels(tiny.data(train=60)).pretrain)
    chosen = labeled(more)
    assert chosen.pretrain is data.train
    assert chosen._replace(pretrain=None) == more._replace(pretrain=None)


def test_data_without_labels_is_refused_if_the_method_asks_for_them(data, tmp_path):
    bare = without_labels(data)
    expected = (
        r"^data\.name: the training examples have no 'label', which the method asks for; "
        r"expected 'image', 'label', found 'image'$"
    )
    with pytest.raises(InputError, match=expected):
        ssl_jax.fit(own.classifier, bare, own.config(), workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"^data\.name: the data has no labels; expected labeled"):
        labeled(bare)


def test_a_run_of_a_user_s_method_is_loaded_with_that_method(data, tmp_path, training_only):
    run = ssl_jax.fit(own.denoiser, data, own.config(), workdir=tmp_path / "run")
    with pytest.raises(InputError, match=r"^method\.name: None; expected one of"):
        ssl_jax.load(tmp_path / "run")
    loaded = ssl_jax.load(tmp_path / "run", method=own.denoiser(run.config))
    chex.assert_trees_all_equal(jax.device_get(loaded.params), jax.device_get(run.params))
    assert loaded.step == 4
