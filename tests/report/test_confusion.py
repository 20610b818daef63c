import numpy as np

from ssl_jax.report.confusion import confusion


def test_shares_are_of_the_true_class():
    labels, predictions = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0])
    found = confusion(labels, predictions, {0: "a", 1: "b"})
    assert found["names"] == ["a", "b", "2"]
    assert found["shares"] == [[0.75, 0.25, 0], [0, 0, 0], [0.5, 0, 0.5]]


def test_many_classes_get_a_list_of_confused_pairs():
    labels = np.arange(60) % 30
    predictions = np.where(labels == 7, 8, labels)
    found = confusion(labels, predictions, {7: "cat", 8: "dog"})
    assert found["pairs"] == [("cat", "dog", 2, 1.0)]


def test_nothing_without_labels_or_predictions():
    labels = np.zeros(3, int)
    assert confusion(None, labels, {}) is confusion(labels, None, {}) is None
    assert confusion(labels[:0], labels[:0], {}) is None
