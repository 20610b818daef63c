"""Scores of a classifier, class by class."""

import numpy as np

from ssl_jax.evaluation.classes import by_class, classify

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 0])


def test_balanced_accuracy_weighs_classes_alike():
    found = classify(np.eye(3)[PREDICTED], LABELS)
    np.testing.assert_array_equal(found.predictions, PREDICTED)
    np.testing.assert_allclose(found.correct.mean(), 4 / 7)
    np.testing.assert_allclose(found.balanced, (3 / 4 + 1 / 2 + 0) / 3)
    assert found.top5 == 1


def test_top5_counts_the_five_most_likely_classes():
    logits = np.tile(np.arange(8.0), (3, 1))  # class 7 is the most likely one
    assert classify(logits, np.array([7, 3, 2])).top5 == 2 / 3


def test_classes_json():
    content = by_class(LABELS, PREDICTED, ("shoe", "coat", "bag", "never"))
    assert content["confusion"] == [[3, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert content["classes"] == [
        {"name": "shoe", "examples": 4, "accuracy": 0.75},
        {"name": "coat", "examples": 2, "accuracy": 0.5},
        {"name": "bag", "examples": 1, "accuracy": 0.0},
    ]


def test_a_class_that_is_only_predicted_has_no_accuracy():
    content = by_class(np.array([0]), np.array([4]), None)
    assert content["classes"][1] == {"name": "4", "examples": 0, "accuracy": None}
