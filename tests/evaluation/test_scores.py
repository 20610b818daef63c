"""The record of a score: compared with its baselines, and written to and read from flat numbers."""

import itertools

import numpy as np
import pytest

from ssl_jax.evaluation.paired import paired_standard_error
from ssl_jax.evaluation.probes import ProbeResults
from ssl_jax.evaluation.scores import (
    CLASSIFIER,
    METRICS,
    PROBE,
    Score,
    compare,
    of_classifier,
    read,
    write,
)
from ssl_jax.evaluation.vote import Vote

# The keys of evaluation.json that DESIGN.md names, beside further labels and probed layers.
LABELED = [
    *("knn_top1", "random_init_knn_top1", "knn_top1_minus_random_init_se"),
    *("input_knn_top1", "knn_top1_minus_input_se"),
    *("knn_k", "knn_temperature", "knn_centered", "knn_standardized"),
    *(f"random_init_knn_{part}" for part in ("k", "temperature", "centered", "standardized")),
    *(f"input_knn_{part}" for part in ("k", "temperature", "centered", "standardized")),
    *("linear_top1", "random_init_linear_top1", "linear_top1_minus_random_init_se"),
    *("input_linear_top1", "linear_top1_minus_input_se"),
    *("linear100_top1", "random_init_linear100_top1", "linear100_top1_minus_random_init_se"),
    *("input_linear100_top1", "linear100_top1_minus_input_se"),
]
LABEL_FREE = ["step", "examples", "train_examples", "features", "rankme", "linear_top5"]
OWN = ["test_nats", "test_perplexity", "unigram_perplexity", "motion_linear_top5"]


def results(seed: int, accuracy: float) -> ProbeResults:
    rng = np.random.default_rng(seed)
    shapes = {"knn_top1": 60, "linear_top1": 60, "linear100_top1": (10, 60)}
    correct = {metric: rng.random(shape) < accuracy for metric, shape in shapes.items()}
    vote = Vote(5 + seed, 0.05, ("raw", "standardized")[seed])
    return ProbeResults(correct, np.zeros(60, int), 0.9, vote)


@pytest.fixture(scope="module")
def learned_and_worse():
    return results(0, 0.8), results(1, 0.6)


def record(column="label", baselines=("random_init", "input"), metric="knn_top1", **changes):
    numbers = (0.01 * i for i in itertools.count(1))
    return Score(
        metric,
        next(numbers),
        {name: next(numbers) for name in baselines},
        {name: next(numbers) for name in baselines},
        column,
    )._replace(**changes)


def test_each_score_is_beside_its_baselines_and_their_paired_errors(learned_and_worse):
    learned, worse = learned_and_worse
    scores = list(compare(learned, {"random_init": worse, "input": learned}, "label"))
    assert [score.metric for score in scores] == list(METRICS)
    values = write(scores)
    assert list(values) == LABELED
    for score in METRICS:
        assert values[score] == values[f"input_{score}"] == learned.correct[score].mean()
        assert values[f"random_init_{score}"] == worse.correct[score].mean()
        assert values[f"{score}_minus_input_se"] == 0
        expected = paired_standard_error(learned.correct[score], worse.correct[score])
        assert values[f"{score}_minus_random_init_se"] == pytest.approx(expected)
    assert values["linear_top1"] > values["random_init_linear_top1"]


def test_scores_of_further_labels_have_the_column_before_their_name(learned_and_worse):
    learned, worse = learned_and_worse
    plain = write(compare(learned, {"input": worse}, "label"))
    prefixed = write(compare(learned, {"input": worse}, "motion"))
    assert prefixed["motion_knn_top1"] == plain["knn_top1"]
    assert prefixed["input_motion_knn_top1"] == plain["input_knn_top1"]
    assert prefixed["motion_knn_top1_minus_input_se"] == plain["knn_top1_minus_input_se"]
    assert prefixed["motion_knn_k"] == plain["knn_k"] == 5
    assert prefixed["input_motion_knn_standardized"] == plain["input_knn_standardized"] == 1
    assert len(prefixed) == len(plain) == 17


def test_what_is_written_is_read_back(learned_and_worse):
    learned, worse = learned_and_worse
    baselines = {"random_init": worse, "input": worse}
    scores = [
        *compare(learned, baselines, "label"),
        *compare(worse, baselines, "motion_of_hands"),
        Score(PROBE, 0.5, {"random_init": 0.4}, layer="stage1"),
        Score(PROBE, 0.6, {"random_init": 0.7}, layer="block_12"),
    ]
    assert read(write(scores)) == scores


@pytest.mark.parametrize(
    "score",
    [
        record(),
        record(errors={}),
        record(baselines={}, errors={}),
        record(baselines={}),
        record(baselines=("input",)),
        record("motion", baselines=("random_init",)),
        record(metric=PROBE, layer="features"),
        record(metric=PROBE, layer="stage1", baselines={}, errors={}),
    ],
    ids=lambda score: ",".join(write([score])),
)
def test_missing_numbers_stay_missing(score):
    values = write([score])
    there = {name: e for name, e in score.errors.items() if name in score.baselines}
    assert len(values) == 1 + len(score.baselines) + len(there)
    assert read(values) == [score._replace(errors=there)]


def test_errors_are_read_even_if_their_baselines_are_missing():
    (found,) = read({"knn_top1": 0.5, "knn_top1_minus_input_se": 0.01})
    assert found == Score("knn_top1", 0.5, {}, {"input": 0.01})


@pytest.mark.parametrize(
    ("score", "key"),
    [
        (Score("knn_top1", 0.5), "knn_top1"),
        (Score("linear100_top1", 0.5, column="motion"), "motion_linear100_top1"),
        (Score(PROBE, 0.5, layer="stage1"), "probe_stage1_top1"),
    ],
)
def test_keys(score, key):
    assert score.key == key
    assert write([score]) == {key: 0.5}


def test_scores_are_read_in_the_order_of_the_file():
    keys = [
        *("linear_top1", "motion_knn_top1", "probe_b_top1"),
        *("knn_top1", "probe_a_top1", "motion_linear_top1"),
    ]
    assert [score.key for score in read(dict.fromkeys(keys, 0.5))] == keys


def test_every_key_of_an_evaluation_belongs_to_a_score_or_is_not_read():
    motion = [key.replace("knn_", "motion_knn_") for key in LABELED if "knn" in key]
    probes = ["probe_stage1_top1", "random_init_probe_stage1_top1"]
    keys = [*LABEL_FREE, *LABELED, *motion, *OWN, *probes]
    values = {key: float(i) for i, key in enumerate(keys)}
    values |= {key: 1.0 for key in keys if key.endswith(("centered", "standardized"))}
    scores = read(values)
    assert [s.key for s in scores] == [*METRICS, "motion_knn_top1", "probe_stage1_top1"]
    assert write(scores) == {key: values[key] for key in (*LABELED, *motion, *probes)}


def test_a_single_test_example_has_no_standard_error():
    correct = {"knn_top1": np.array([True]), "linear_top1": np.array([False])}
    one = ProbeResults(correct, np.zeros(1, int), 1.0, Vote(1, 0.1, "raw"))
    scores = list(compare(one, {"input": one}, "label"))
    assert [score.errors for score in scores] == [{}, {}]
    assert of_classifier(np.array([True]), {"input": one}).errors == {}


def test_the_classifier_is_compared_with_the_linear_probes(learned_and_worse):
    learned, worse = learned_and_worse
    correct = learned.correct["linear_top1"]
    score = of_classifier(correct, {"random_init": worse, "input": learned})
    assert score.key == CLASSIFIER == "top1"
    assert score.value == score.baselines["input"] == correct.mean()
    assert score.baselines["random_init"] == worse.correct["linear_top1"].mean()
    assert read(write([score])) == [score]
    assert read({"probe_top1_top1": 0.5})[0].layer == "top1"
