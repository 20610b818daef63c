"""Probes agree with the public functions, whatever the classes are called."""

import numpy as np
import pytest

from ssl_jax.evaluation import knn, linear_probe, probes
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.probes import linear_top1, run_probes
from tests import tiny

CONFIG = tiny.config().evaluation
FIXED = CONFIG.copy_and_resolve_references()
FIXED.update({"knn_k": 20, "knn_temperature": 0.1, "knn_transform": "raw"})


def clusters(seed: int, spread: float, labels: np.ndarray) -> Extracted:
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(10, 5))
    noise = spread * rng.normal(size=(len(labels), 5))
    return Extracted((centers[labels] + noise).astype(np.float32), labels)


@pytest.fixture(scope="module")
def probed():
    """Two pairs of a training and a test set, and the results of the probes on each."""
    train_y, test_y = np.arange(90) % 3, np.arange(60) % 3
    sets = [(clusters(0, s, train_y), clusters(1, s, test_y)) for s in (0.5, 1.5)]
    return sets, [run_probes(*pair, FIXED) for pair in sets]


def test_accuracies_are_those_of_the_public_functions(probed):
    for (train, test), result in zip(*probed, strict=True):
        arrays = (train.z, train.y, test.z, test.y)
        assert result.correct["knn_top1"].mean() == pytest.approx(knn(*arrays))
        assert result.correct["linear_top1"].mean() == pytest.approx(linear_probe(*arrays))
        assert result.correct["linear100_top1"].shape == (10, 60)
        assert (result.predictions == test.y).mean() == result.correct["linear_top1"].mean()
        assert result.top5 == 1.0
        assert result.vote == (20, 0.1, "raw")


def test_linear_probes_read_their_own_features(probed):
    sets, (good, bad) = probed
    mixed = run_probes(*sets[0], FIXED, linear=[part.z for part in sets[1]])
    np.testing.assert_array_equal(mixed.correct["knn_top1"], good.correct["knn_top1"])
    for metric in ("linear_top1", "linear100_top1"):
        np.testing.assert_array_equal(mixed.correct[metric], bad.correct[metric])
    np.testing.assert_array_equal(mixed.predictions, bad.predictions)


def test_a_single_linear_probe_gives_the_same_accuracy(probed):
    for (train, test), result in zip(*probed, strict=True):
        names = np.array([2, 5, 9])
        renamed = [Extracted(part.z, names[part.y]) for part in (train, test)]
        assert linear_top1(*renamed) == result.correct["linear_top1"].mean()


def test_the_numbers_of_the_classes_do_not_matter_and_unknown_classes_are_errors():
    train_y, test_y = np.arange(90) % 3, np.arange(60) % 3
    train, test = clusters(0, 0.2, train_y), clusters(1, 0.2, test_y)
    names = np.array([2, 5, 9])
    renamed = run_probes(
        Extracted(train.z, names[train_y]), Extracted(test.z, names[test_y]), CONFIG
    )
    plain = run_probes(train, test, CONFIG)
    for metric in plain.correct:
        np.testing.assert_array_equal(renamed.correct[metric], plain.correct[metric])
    assert set(renamed.predictions) <= set(names)
    unknown = run_probes(train, Extracted(test.z, np.full(60, 4)), CONFIG)
    assert all(correct.sum() == 0 for correct in unknown.correct.values())
    assert unknown.top5 == 0


def test_with_many_classes_there_are_fewer_draws(monkeypatch):
    train_y, test_y = np.arange(90) % 3, np.arange(60) % 3
    train, test = clusters(0, 0.5, train_y), clusters(1, 0.5, test_y)
    monkeypatch.setattr(probes, "MANY", 29)  # 10 labels of each of 3 classes are more
    assert run_probes(train, test, CONFIG).correct["linear100_top1"].shape == (3, 60)
