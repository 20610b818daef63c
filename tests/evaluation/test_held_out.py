"""The training examples on which choices are made."""

import numpy as np
import pytest

from ssl_jax.evaluation import held_out
from ssl_jax.evaluation.held_out import for_choices, rank_in_class


def test_all_examples_are_drawn_and_one_in_five_of_each_class_is_held_out():
    y = np.repeat([0, 1, 2], [50, 5, 1])
    rows, out = for_choices(y)
    np.testing.assert_array_equal(rows, np.arange(56))
    np.testing.assert_array_equal(np.bincount(y[out], minlength=3), [10, 1, 0])


def test_of_many_examples_the_same_share_of_each_class_is_drawn(monkeypatch):
    monkeypatch.setattr(held_out, "AT_MOST", 100)
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    rows, out = for_choices(y)
    np.testing.assert_array_equal(np.bincount(y[rows]), [60, 30, 10])
    np.testing.assert_array_equal(np.bincount(y[rows[out]]), [12, 6, 2])
    assert (np.diff(rows) > 0).all()


def test_with_many_classes_two_examples_of_each_are_drawn(monkeypatch):
    monkeypatch.setattr(held_out, "AT_MOST", 10)
    y = np.repeat(np.arange(40), 5)
    rows, out = for_choices(y)
    np.testing.assert_array_equal(np.bincount(y[rows]), np.full(40, 2))
    np.testing.assert_array_equal(np.bincount(y[rows[out]]), np.full(40, 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_ranks_are_a_permutation_of_each_class(seed):
    y = np.random.default_rng(9).integers(4, size=50)
    rank = rank_in_class(y, np.random.default_rng(seed))
    for label in range(4):
        np.testing.assert_array_equal(np.sort(rank[y == label]), np.arange((y == label).sum()))
