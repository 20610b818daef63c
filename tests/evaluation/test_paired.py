import numpy as np
import pytest

from ssl_jax.evaluation.paired import paired_standard_error
from tests.references import evaluation as reference


@pytest.mark.parametrize(("draws", "m"), [(2, 2), (3, 17), (10, 40)])
def test_equals_the_reference(draws, m):
    a, b = np.random.default_rng(0).random((2, draws, m)) < [[[0.8]], [[0.6]]]
    assert paired_standard_error(a, b) == pytest.approx(reference.paired_standard_error(a, b))


def test_closed_form():
    """Only a is right on 3 of 8 examples, only b on 1: the variance is (4 - 8 / 16) / 7."""
    a = np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)
    b = np.array([0, 0, 0, 1, 1, 1, 0, 0], bool)
    assert paired_standard_error(a, b) == pytest.approx(np.sqrt((4 - 0.5) / 7 / 8))


def test_equal_draws_add_nothing():
    a, b = np.random.default_rng(0).random((2, 30)) < 0.5
    repeated = paired_standard_error(np.tile(a, (4, 1)), np.tile(b, (4, 1)))
    assert repeated == pytest.approx(paired_standard_error(a, b))


def test_draws_that_differ():
    """All examples of a draw agree, so only the draws add variance."""
    a = np.repeat([[1.0], [0.0], [1.0], [1.0]], 5, axis=1)
    assert paired_standard_error(a, np.zeros_like(a)) == pytest.approx(np.sqrt(0.25 / 4))


def test_symmetric_and_zero_for_equal_classifiers():
    a, b = np.random.default_rng(0).random((2, 3, 30)) < 0.5
    assert paired_standard_error(a, b) == paired_standard_error(b, a)
    assert paired_standard_error(a, a) == 0


def test_pairing_gives_a_smaller_error_than_independent_sets():
    a = np.arange(100) < 80
    b = np.arange(100) < 75
    assert paired_standard_error(a, b) < np.sqrt(a.var() / 100 + b.var() / 100) / 2


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones(4), np.ones(5), r"\(4,\).*\(5,\)"),
        (np.ones((2, 4)), np.ones(4), r"\(2, 4\).*\(4,\)"),
        (np.ones(1), np.ones(1), r"got shape \(1,\)"),
        (np.ones((1, 4)), np.ones((1, 4)), r"got shape \(1, 4\)"),
        (np.ones((2, 2, 2)), np.ones((2, 2, 2)), "expected"),
        (np.arange(4), np.ones(4), r"correct_a.*outside \[0, 1\]"),
        (np.ones(2), np.array([1, np.nan]), "correct_b"),
    ],
)
def test_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        paired_standard_error(a, b)
