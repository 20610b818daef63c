"""The evaluation of a run: which keys it has, and which features each number is about.

A cheap probe stands for the real ones, which ``test_probes`` is about.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.data.dataset import Arrays
from ssl_jax.evaluation import evaluate as module
from ssl_jax.evaluation.evaluate import evaluate
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.paired import paired_standard_error
from ssl_jax.evaluation.probes import ProbeResults
from ssl_jax.evaluation.rank import rankme
from ssl_jax.evaluation.vote import Vote
from ssl_jax.methods.base import Method, no_update
from tests import tiny

PIXELS = tiny.SIDE**2
LABEL_FREE = ["step", "examples", "train_examples", "features", "rankme", "test_brightness"]


def compared(metric):
    return [
        metric,
        *(f"random_init_{metric}", f"{metric}_minus_random_init_se"),
        *(f"input_{metric}", f"{metric}_minus_input_se"),
    ]


VOTES = [
    f"{name}knn_{part}"
    for name in ("", "random_init_", "input_")
    for part in ("k", "temperature", "centered", "standardized")
]
LABELED = [*compared("knn_top1"), *VOTES, *compared("linear_top1"), *compared("linear100_top1")]


def frames(batch):
    pictures = batch["image"] if "image" in batch else batch["video"][:, 0]
    return jnp.reshape(jnp.asarray(pictures, jnp.float32) / 255, (len(pictures), -1))


def init(key, batch):
    return {"weights": jax.random.normal(key, (PIXELS, 6))}, {}


def embed(params, extra, batch):
    features = frames(batch) @ params["weights"]
    return {"features": features, "first": features[:, :2], "last": features[:, 4:]}


METHOD = Method(
    init,
    lambda key, batch: {"pixels": frames(batch)[None]},
    lambda params, extra, views, key, step: (jnp.float32(0), (extra, {})),
    no_update,
    embed,
    lambda params, extra, batch, key: {"brightness": frames(batch).mean(1)},
)
TRAINED = {"weights": jnp.eye(PIXELS)[:, 8:14]}


def run_probes(train, test, config, *, linear=None):
    """The class of the nearest mean, the nearest example, and the nearest of some examples."""
    classes, (train_z, test_z) = np.unique(train.y), linear or (train.z, test.z)
    means = np.stack([train_z[train.y == label].mean(0) for label in classes])
    predictions = classes[distances(test_z, means).argmin(1)]
    near = distances(test.z, train.z)
    few = np.stack([train.y[i::3][near[:, i::3].argmin(1)] for i in range(3)])
    correct = {
        "knn_top1": train.y[near.argmin(1)] == test.y,
        "linear_top1": predictions == test.y,
        "linear100_top1": few == test.y,
    }
    top5 = config.batch_size * float(np.mean(test.z))
    return ProbeResults(correct, predictions, top5, Vote(len(train.z), 0.1, "raw"))


def linear_top1(train, test):
    return float(run_probes(train, test, tiny.config().evaluation).correct["linear_top1"].mean())


def distances(a, b):
    return np.square(a[:, None] - b).sum(-1)


@pytest.fixture(scope="module", autouse=True)
def _cheap_probes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_probes", run_probes)
        patch.setattr(module, "linear_top1", linear_top1)
        yield


def run(data, **changes):
    config = tiny.config()
    config.evaluation.update(changes)
    config = tiny.resolved(config, data)
    key = jax.random.key(0)
    found = evaluate(METHOD, TRAINED, {}, data, config, key, tiny.placement(8))
    return found, config.evaluation, init(key, None)[0]


def features(params, source):
    columns = source.columns
    return Extracted(np.asarray(embed(params, {}, columns)["features"]), columns["label"])


@pytest.fixture(scope="module")
def data():
    """Images with random labels, so that different features make different mistakes."""
    rng, images = np.random.default_rng(0), tiny.data()

    def relabeled(source):
        labels = rng.integers(3, size=len(source)).astype(np.int32)
        return Arrays(source.columns | {"label": labels})

    return images._replace(train=relabeled(images.train), test=relabeled(images.test))


@pytest.fixture(scope="module")
def evaluated(data):
    return run(data, probe_layers=("last", "first"))


def test_the_keys_and_their_order(evaluated):
    probes = ["probe_last_top1", "random_init_probe_last_top1"]
    probes += ["probe_first_top1", "random_init_probe_first_top1"]
    assert list(evaluated[0].values) == [*LABEL_FREE, *LABELED, "linear_top5", *probes]


def test_numbers_without_labels(evaluated, data):
    values = evaluated[0].values
    assert (values["step"], values["examples"], values["train_examples"]) == (4, 24, 40)
    learned = features(TRAINED, data.test).z
    assert values["features"] == 6
    assert values["rankme"] == pytest.approx(rankme(learned), rel=1e-4)
    brightness = data.test.columns["image"].mean() / 255
    assert values["test_brightness"] == pytest.approx(brightness, rel=1e-5)


def test_each_score_is_of_the_features_it_is_named_after(evaluated, data):
    findings, settings, first = evaluated
    inputs = [Extracted(np.asarray(frames(s.columns)), s.labels) for s in (data.train, data.test)]
    results = {
        name: run_probes(*sets, settings)
        for name, sets in {
            "learned": [features(TRAINED, source) for source in (data.train, data.test)],
            "random_init": [features(first, source) for source in (data.train, data.test)],
            "input": inputs,
        }.items()
    }
    learned = results.pop("learned")
    values = findings.values
    for metric, correct in learned.correct.items():
        assert values[metric] == correct.mean()
        for name, baseline in results.items():
            right = baseline.correct[metric]
            assert values[f"{name}_{metric}"] == right.mean()
            assert values[f"{metric}_minus_{name}_se"] == paired_standard_error(correct, right)
            assert values[f"{metric}_minus_{name}_se"] > 0
        untrained, raw = (baseline.correct[metric] for baseline in results.values())
        assert not np.array_equal(untrained, raw)
    assert values["linear_top5"] == learned.top5
    np.testing.assert_array_equal(findings.predictions, learned.predictions)


def test_linear_probes_may_read_other_layers(evaluated, data):
    """Only they do: the neighbors, the raw input and the page's features stay the same."""
    plain, _, first = evaluated
    found, settings, _ = run(data, linear_layers=("last",))
    for prefix, params in (("", TRAINED), ("random_init_", first)):
        layer = [features(params, source) for source in (data.train, data.test)]
        sliced = [Extracted(part.z[:, 4:], part.y) for part in layer]
        expected = run_probes(*sliced, settings).correct["linear_top1"].mean()
        assert found.values[f"{prefix}linear_top1"] == expected
        assert found.values[f"{prefix}knn_top1"] == plain.values[f"{prefix}knn_top1"]
    assert found.values["input_linear_top1"] == plain.values["input_linear_top1"]
    assert not np.array_equal(found.predictions, plain.predictions)
    np.testing.assert_array_equal(found.test.z, plain.test.z)


def test_each_probed_layer_is_probed_alone(evaluated, data):
    findings, _, first = evaluated
    for layer, columns in (("first", np.s_[:, :2]), ("last", np.s_[:, 4:])):
        for prefix, params in (("", TRAINED), ("random_init_", first)):
            whole = [features(params, source) for source in (data.train, data.test)]
            part = [each._replace(z=each.z[columns]) for each in whole]
            assert findings.values[f"{prefix}probe_{layer}_top1"] == linear_top1(*part)


def test_findings_hold_what_was_scored(evaluated, data):
    findings = evaluated[0]
    for found, source in ((findings.train, data.train), (findings.test, data.test)):
        expected = features(TRAINED, source)
        np.testing.assert_allclose(found.z, expected.z, rtol=1e-5)
        np.testing.assert_array_equal(found.y, expected.y)
    assert findings.probed is data.train


def test_further_labels_have_scores_of_their_own():
    data = tiny.clips()
    findings, settings, _ = run(data)
    motion = [
        key.replace("knn", "motion_knn").replace("linear", "motion_linear") for key in LABELED
    ]
    assert list(findings.values) == [
        *LABEL_FREE,
        *(*LABELED, "linear_top5"),
        *(*motion, "motion_linear_top5"),
    ]
    both = [
        features(TRAINED, source)._replace(y=source.columns["motion"])
        for source in (data.train, data.test)
    ]
    result = run_probes(*both, settings)
    for metric, correct in result.correct.items():
        assert findings.values[f"motion_{metric}"] == correct.mean()
    assert findings.values["motion_linear_top5"] == result.top5
    assert set(findings.predictions) <= {0, 1, 2}


@pytest.mark.parametrize("labels", [None, "all different"])
def test_without_labels_that_a_probe_can_learn_there_are_label_free_numbers_only(data, labels):
    def changed(source):
        columns = {"image": source.columns["image"]}
        if labels is not None:
            columns["label"] = np.arange(len(source), dtype=np.int32)
        return Arrays(columns)

    bare = data._replace(train=changed(data.train), test=changed(data.test), label_names=None)
    findings, *_ = run(bare)
    assert list(findings.values) == LABEL_FREE
    assert findings.predictions is None


def test_probes_are_fitted_to_a_fixed_choice_of_training_examples(data):
    findings, *_ = run(data, train_examples=30)
    assert findings.values == run(data, train_examples=30)[0].values
    assert findings.values["train_examples"] == len(findings.train.z) == len(findings.probed) == 30
    chosen = findings.probed.take(np.arange(30))["image"]
    whole = [picture.tobytes() for picture in data.train.columns["image"]]
    indices = [whole.index(picture.tobytes()) for picture in chosen]
    assert indices == sorted(set(indices))
    assert indices != list(range(30))
    expected = np.asarray(embed(TRAINED, {}, {"image": chosen})["features"])
    np.testing.assert_allclose(findings.train.z, expected, rtol=1e-5)
