"""The online probe learns from the features and leaves no trace in the method."""

import json
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods
from ssl_jax.errors import InputError
from ssl_jax.train import online_probe
from ssl_jax.train.stop import Stopped
from tests import tiny
from tests.references.arrays import softmax


def config(**changes):
    base = tiny.config(
        name="simclr", temperature=0.2, projector=(8,), augment={"area": (0.5, 1.0), "blur": 0.0}
    )
    base.optimizer.clip_norm = 0.1
    base.train.update({"online_probe": True} | changes)
    return base


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield


@pytest.fixture(scope="module")
def data():
    return tiny.data()


def fit(data, workdir, **changes):
    return ssl_jax.fit(methods.make, data, config(**changes), workdir=workdir)


def rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The same run with and without a probe."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        flag: (fit(data, folder / str(flag), online_probe=flag), folder / str(flag))
        for flag in (True, False)
    }


def test_training_is_the_same_to_the_bit(runs):
    (probed, probed_dir), (plain, plain_dir) = runs[True], runs[False]
    chex.assert_trees_all_equal((probed.params, probed.extra), (plain.params, plain.extra))
    for with_probe, without in zip(rows(probed_dir), rows(plain_dir), strict=True):
        assert with_probe["online_accuracy"] >= 0
        assert with_probe.keys() - {"online_accuracy"} == without.keys()
        for name in ("loss", "gradient_norm"):
            assert with_probe[name] == without[name]


def test_a_loaded_run_has_no_probe(data, runs):
    run, workdir = runs[True]
    loaded = ssl_jax.load(workdir)
    chex.assert_trees_all_equal((loaded.params, loaded.extra), (run.params, run.extra))
    images = np.asarray(data.test.columns["image"][:4])
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(loaded)).embed(images), run.embed(images)
    )


@pytest.mark.slow
def test_a_stopped_run_continues_with_its_probe(data, runs, tmp_path, monkeypatch):
    from ssl_jax.train.feed import Feed

    watch = Feed.watch

    def stop_after_two(self, metrics):
        watch(self, metrics)
        stop_after_two.steps += 1
        if stop_after_two.steps == 2:
            raise Stopped("here")

    stop_after_two.steps = 0
    monkeypatch.setattr(Feed, "watch", stop_after_two)
    with pytest.raises(Stopped):
        fit(data, tmp_path / "run", checkpoint_every=1)
    monkeypatch.undo()
    fit(data, tmp_path / "run", checkpoint_every=1)
    accuracies = [
        [row["online_accuracy"] for row in rows(path)] for path in (tmp_path / "run", runs[True][1])
    ]
    assert accuracies[0] == accuracies[1]


def test_a_backbone_goes_in_and_out(data):
    resolved = tiny.resolved(config(), data)
    method = online_probe.beside(methods.make(resolved), resolved)
    shapes = tiny.batch(data)
    (params, extra), (other, further) = (method.init(jax.random.key(i), shapes) for i in (0, 1))
    backbone = method.backbone(params, extra)
    chex.assert_trees_all_equal(
        method.backbone(*method.with_backbone(other, further, backbone)), backbone
    )


def test_unlabeled_examples_are_refused_before_anything_is_written(tmp_path):
    labeled = tiny.data()
    images = labeled.train.columns["image"]
    unlabeled = labeled._replace(pretrain=type(labeled.train)({"image": images}))
    with pytest.raises(InputError, match=r"^train.online_probe: True, but the training examples"):
        fit(unlabeled, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_layer_is_named(data, tmp_path):
    base = config()
    base.evaluation.layers = ("stage9",)
    with pytest.raises(InputError, match=r"^evaluation.layers: 'stage9'"):
        ssl_jax.fit(methods.make, data, base, workdir=tmp_path / "run")


def test_it_learns_to_tell_the_classes_apart():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 5))
    probe = fresh(5, 3)
    accuracies = []
    for _ in range(300):
        labels = rng.integers(0, 3, 64)
        z = centers[labels] + 0.3 * rng.normal(size=(64, 5))
        probe, accuracy = jax.jit(online_probe.learn)(probe, jnp.asarray(z, jnp.float32), labels)
        accuracies.append(float(accuracy))
    assert accuracies[0] < 0.5 < 0.95 < np.mean(accuracies[-50:])


def fresh(size, classes):
    weights = {"kernel": jnp.zeros((size, classes)), "bias": jnp.zeros(classes)}
    return {"weights": weights, "optimizer": online_probe._OPTIMIZER.init(weights)}


def test_steps_match_adam_written_out_and_unlabeled_rows_do_not_count():
    rng = np.random.default_rng(1)
    labels = np.array([0, 2, -1, 1, 1, -1, 0])
    known = labels >= 0
    probe, kernel, bias = fresh(4, 3), np.zeros((4, 3)), np.zeros(3)
    moments = [np.zeros((2, 4, 3)), np.zeros((2, 3))]
    for step in (1, 2, 3):
        z = rng.normal(2, 3, (7, 4)).astype(np.float32)
        x = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)
        logits = x @ kernel + bias
        expected = np.mean(logits[known].argmax(1) == labels[known])
        probe, accuracy = online_probe.learn(probe, jnp.asarray(z), jnp.asarray(labels))
        np.testing.assert_allclose(accuracy, expected, rtol=1e-6)
        error = (np.array([softmax(row) for row in logits]) - np.eye(3)[labels])[
            known
        ] / known.sum()
        for weights, gradient, moment in (
            (kernel, x[known].T @ error, moments[0]),
            (bias, error.sum(0), moments[1]),
        ):
            moment[0] = 0.9 * moment[0] + 0.1 * gradient
            moment[1] = 0.999 * moment[1] + 0.001 * gradient**2
            mean, square = moment[0] / (1 - 0.9**step), moment[1] / (1 - 0.999**step)
            weights -= 1e-3 * mean / (np.sqrt(square) + 1e-8)
        np.testing.assert_allclose(probe["weights"]["kernel"], kernel, atol=1e-6)
        np.testing.assert_allclose(probe["weights"]["bias"], bias, atol=1e-6)


def test_a_batch_without_labels_changes_nothing():
    probe, accuracy = online_probe.learn(fresh(4, 3), jnp.ones((5, 4)), jnp.full(5, -1))
    assert accuracy == 0
    assert not np.any(probe["weights"]["kernel"])
