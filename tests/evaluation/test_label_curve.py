"""Accuracy against labels per class: which labels are seen, and by which classifiers."""

import numpy as np
import pytest

from ssl_jax.evaluation import knn, linear_probe
from ssl_jax.evaluation.held_out import rank_in_class
from ssl_jax.evaluation.label_curve import PENALTY_OF_ONE, label_curve_point, sizes
from ssl_jax.evaluation.linear import few_labels

TRAIN_Y, TEST_Y = np.arange(60) % 3, np.arange(45) % 3


def clusters(seed, labels, spread=1.0):
    centers = np.random.default_rng(7).normal(size=(3, 5))
    noise = np.random.default_rng(seed).normal(size=(len(labels), 5))
    return (centers[labels] + spread * noise).astype(np.float32)


SETS = clusters(0, TRAIN_Y), TRAIN_Y, clusters(1, TEST_Y), TEST_Y


def drawn(per_class, draw, seed=0):
    return np.flatnonzero(rank_in_class(TRAIN_Y, np.random.default_rng((seed, draw))) < per_class)


def counts(*each):
    return np.repeat(np.arange(len(each)), each)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (counts(30, 30, 30), [1, 2, 5, 10, 20, None]),
        (counts(20, 20), [1, 2, 5, 10, None]),  # 20 per class are all of them
        (counts(1000, 1000), [1, 2, 5, 10, 20, 50, 100, 200, 500, None]),
        (counts(1, 7, 900), [1, 2, 5, None]),
        (counts(2, 2), [1, None]),
        (counts(1, 1), [None]),
        (np.array([4, 9, 4, 9, 4, 9]), [1, 2, None]),
    ],
)
def test_sizes_are_1_2_5_10_up_to_the_median_class(labels, expected):
    assert sizes(labels) == expected


def test_all_labels_give_the_accuracies_of_the_public_functions():
    point = label_curve_point(*SETS, per_class=None, k=9, temperature=0.3, transform="raw")
    assert point.linear == pytest.approx([linear_probe(*SETS)])
    assert point.knn == pytest.approx([knn(*SETS, k=9, temperature=0.3)])


def test_the_draws_are_those_of_few_labels():
    train, y, test, test_y = SETS
    point = label_curve_point(*SETS, per_class=4, draws=3, seed=5, k=2, transform="raw")
    logits = few_labels(train, y, test, per_class=4, draws=3, seed=5)
    np.testing.assert_array_equal(point.linear, (logits.argmax(-1) == test_y).mean(-1))
    assert point.knn.shape == (3,)
    fixed = {"k": 2, "temperature": 0.1, "transform": "raw"}
    point = label_curve_point(*SETS, per_class=4, draws=3, seed=5, **fixed)
    for draw in range(3):
        rows = drawn(4, draw, seed=5)
        expected = knn(train[rows], y[rows], test, test_y, k=2, temperature=0.1)
        assert point.knn[draw] == pytest.approx(expected)


def standardized_draw(draw):
    train, y, test, _ = SETS
    mean, std = train.mean(0), train.std(0)
    rows = drawn(1, draw)
    return (train[rows] - mean) / std, y[rows], (test - mean) / std


def test_one_label_is_given_to_the_nearest_examples():
    point = label_curve_point(*SETS, per_class=1, draws=4)
    for draw in range(4):
        x, y, test = standardized_draw(draw)
        right = []
        for query, label in zip(test, TEST_Y, strict=True):
            cosines = [a @ query / np.linalg.norm(a) / np.linalg.norm(query) for a in x]
            right.append(y[np.argmax(cosines)] == label)
        assert point.knn[draw] == pytest.approx(np.mean(right))


def test_the_linear_probe_of_one_label_has_the_fixed_penalty():
    train, y, test, test_y = SETS
    logits = few_labels(train, y, test, per_class=1, draws=4, penalties=(PENALTY_OF_ONE,))
    point = label_curve_point(*SETS, per_class=1, draws=4)
    np.testing.assert_allclose(point.linear, (logits.argmax(-1) == test_y).mean(-1))


@pytest.mark.parametrize("per_class", [1, 2, 5, None])
def test_separated_classes_are_found_and_unknown_ones_are_errors(per_class):
    names = np.array([2, 5, 9])
    train, test = clusters(0, TRAIN_Y, 0.01), clusters(1, TEST_Y, 0.01)
    point = label_curve_point(
        train, names[TRAIN_Y], test, names[TEST_Y], per_class=per_class, draws=2
    )
    assert point.linear.min() == point.knn.min() == 1
    assert point.linear.shape == point.knn.shape == (2 if per_class else 1,)
    unknown = np.full(len(TEST_Y), 4)
    point = label_curve_point(train, names[TRAIN_Y], test, unknown, per_class=per_class, draws=2)
    assert point.linear.max() == point.knn.max() == 0


def test_test_labels_and_other_training_labels_choose_nothing():
    """Labels outside a draw change nothing about it."""
    changed = TRAIN_Y.copy()
    keep = drawn(2, 0)
    others = np.setdiff1d(np.arange(60), keep)
    swapped = np.random.default_rng(3).permutation(others)
    train = SETS[0].copy()
    train[others] = train[swapped]  # the statistics of all features stay the same
    plain = label_curve_point(*SETS, per_class=2, draws=1)
    again = label_curve_point(train, changed, *SETS[2:], per_class=2, draws=1)
    np.testing.assert_array_equal(plain.linear, again.linear)
    np.testing.assert_array_equal(plain.knn, again.knn)


@pytest.mark.parametrize("bad", [{"per_class": 0}, {"per_class": 3, "draws": 0}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(ValueError, match="at least 1"):
        label_curve_point(*SETS, **bad)
