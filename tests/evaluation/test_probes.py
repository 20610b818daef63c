"""Scores beside baselines: consistent with the predictions, whatever the labels are called."""

import numpy as np
import pytest

from ssl_jax.evaluation import knn, linear_probe
from ssl_jax.evaluation.paired import paired_standard_error
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.scores import compare, judge, linear_top1
from tests import tiny

CONFIG = tiny.config().evaluation


def clusters(seed: int, spread: float, labels: np.ndarray) -> Extracted:
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(10, 5))
    noise = spread * rng.normal(size=(len(labels), 5))
    return Extracted((centers[labels] + noise).astype(np.float32), labels)


@pytest.fixture(scope="module")
def judged():
    train_y, test_y = np.arange(90) % 3, np.arange(60) % 3
    sets = [(clusters(0, s, train_y), clusters(1, s, test_y)) for s in (0.5, 1.5)]
    return sets, [judge(*pair, CONFIG) for pair in sets]


def test_scores_are_those_of_the_public_functions(judged):
    for (train, test), result in zip(*judged, strict=True):
        arrays = (train.z, train.y, test.z, test.y)
        assert result.correct["knn_top1"].mean() == pytest.approx(knn(*arrays))
        assert result.correct["linear_top1"].mean() == pytest.approx(linear_probe(*arrays))
        assert result.correct["linear100_top1"].shape == (10, 60)
        assert (result.predictions == test.y).mean() == result.correct["linear_top1"].mean()
        assert result.top5 == 1.0


def test_each_score_stands_beside_its_baselines_and_their_paired_errors(judged):
    learned, worse = judged[1]
    values = dict(compare(learned, {"random_init": worse, "input": learned}))
    for score in ("knn_top1", "linear_top1", "linear100_top1"):
        assert values[score] == values[f"input_{score}"] == learned.correct[score].mean()
        assert values[f"random_init_{score}"] == worse.correct[score].mean()
        assert values[f"{score}_minus_input_se"] == 0
        expected = paired_standard_error(learned.correct[score], worse.correct[score])
        assert values[f"{score}_minus_random_init_se"] == pytest.approx(expected)
    assert values["linear_top1"] > values["random_init_linear_top1"]


def test_scores_of_further_labels_have_their_name_before_them(judged):
    learned, worse = judged[1]
    plain = dict(compare(learned, {"input": worse}))
    prefixed = dict(compare(learned, {"input": worse}, "motion_"))
    assert prefixed["motion_knn_top1"] == plain["knn_top1"]
    assert prefixed["input_motion_knn_top1"] == plain["input_knn_top1"]
    assert prefixed["motion_knn_top1_minus_input_se"] == plain["knn_top1_minus_input_se"]
    assert prefixed["motion_linear_top5"] == plain["linear_top5"]


def test_a_linear_probe_alone_scores_as_it_does_beside_the_others(judged):
    for (train, test), result in zip(*judged, strict=True):
        names = np.array([2, 5, 9])
        renamed = [Extracted(part.z, names[part.y]) for part in (train, test)]
        assert linear_top1(*renamed) == result.correct["linear_top1"].mean()


def test_names_of_classes_do_not_matter_and_unseen_ones_are_errors():
    train_y, test_y = np.arange(90) % 3, np.arange(60) % 3
    train, test = clusters(0, 0.2, train_y), clusters(1, 0.2, test_y)
    names = np.array([2, 5, 9])
    renamed = judge(Extracted(train.z, names[train_y]), Extracted(test.z, names[test_y]), CONFIG)
    plain = judge(train, test, CONFIG)
    for score in plain.correct:
        np.testing.assert_array_equal(renamed.correct[score], plain.correct[score])
    assert set(renamed.predictions) <= set(names)
    unseen = judge(train, Extracted(test.z, np.full(60, 4)), CONFIG)
    assert all(correct.sum() == 0 for correct in unseen.correct.values())
    assert unseen.top5 == 0
