"""Permutations: distinct, as far apart on average as possible, and chosen as the paper does."""

from itertools import combinations, permutations
from math import comb, factorial

import numpy as np
import pytest

from ssl_jax.methods.pretext.permutations import far_apart


def distances(rows):
    """Hamming distances of all pairs, counted tile by tile."""
    return [sum(a != b for a, b in zip(p, q, strict=True)) for p, q in combinations(rows, 2)]


def largest_mean(count, tiles):
    """The largest mean distance that any ``count`` permutations can have.

    In each place, pairs with the same tile there are fewest if every tile occurs there equally
    often, or once more than another.
    """
    often, rest = divmod(count, tiles)
    equal = tiles * (rest * comb(often + 1, 2) + (tiles - rest) * comb(often, 2))
    return tiles - equal / comb(count, 2)


@pytest.mark.parametrize(
    ("count", "tiles"), [(2, 9), (9, 9), (10, 9), (64, 9), (100, 9), (24, 4), (20, 5)]
)
def test_they_are_distinct_and_their_mean_distance_is_the_largest_possible(count, tiles):
    rows = far_apart(count, tiles)
    assert rows.shape == (count, tiles)
    assert len(np.unique(rows, axis=0)) == count
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(range(tiles), (count, 1)))
    assert np.mean(distances(rows.tolist())) == pytest.approx(largest_mean(count, tiles))


def test_a_hundred_are_as_far_apart_as_the_authors():
    """Theirs, permutations_100_max.bin of their code, has mean distance 8.08 and a minimum of 2."""
    found = distances(far_apart(100).tolist())
    assert np.mean(found) == pytest.approx(8.08)
    assert min(found) >= 4


@pytest.mark.parametrize(("count", "tiles"), [(2, 3), (3, 3), (4, 4), (5, 4)])
def test_no_other_set_has_a_larger_mean_distance(count, tiles):
    every = list(permutations(range(tiles)))
    best = max(np.mean(distances(rows)) for rows in combinations(every, count))
    assert np.mean(distances(far_apart(count, tiles).tolist())) == pytest.approx(best)


@pytest.mark.parametrize(("count", "tiles"), [(6, 3), (14, 4), (30, 5)])
def test_each_is_the_farthest_from_those_before_it(count, tiles):
    every = list(permutations(range(tiles)))
    chosen = [every[0]]
    while len(chosen) < count:
        rank = [(-1, -1)] * len(every)
        for i, p in enumerate(every):
            if p not in chosen:
                away = [sum(a != b for a, b in zip(p, q, strict=True)) for q in chosen]
                rank[i] = (sum(away), min(away))
        chosen.append(every[rank.index(max(rank))])
    np.testing.assert_array_equal(far_apart(count, tiles), chosen)


def test_all_permutations_can_be_chosen_and_a_set_continues_a_smaller_one():
    assert len(np.unique(far_apart(factorial(4), 4), axis=0)) == 24
    np.testing.assert_array_equal(far_apart(20)[:10], far_apart(10))
    with pytest.raises(ValueError, match="read-only"):
        far_apart(10)[0, 0] = 1
