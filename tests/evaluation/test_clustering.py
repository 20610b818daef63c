"""K-means on features, and how its clusters match the classes."""

import itertools
import math

import numpy as np
import pytest

from ssl_jax.evaluation.clustering import kmeans_scores, matched_accuracy

LABELS = np.arange(60) % 3
CORNERS = np.array([[9.0, 0, 0], [0, 5, 0], [0, 0, 1]])


def separated(labels=LABELS):
    """Three tight clusters in different directions, at different distances."""
    noise = np.random.default_rng(0).normal(size=(len(labels), 3))
    return (CORNERS[labels] * (1 + 0.01 * noise)).astype(np.float32)


def overlapping(seed=0):
    rng = np.random.default_rng(seed)
    return (CORNERS[LABELS] / 5 + rng.normal(size=(60, 3))).astype(np.float32)


def test_separated_clusters_score_1():
    assert kmeans_scores(separated(), LABELS) == pytest.approx((1.0, 1.0, 1.0))


def test_the_order_and_the_names_of_the_classes_do_not_matter():
    z, names = overlapping(), np.array([7, 2, 5])
    scores = kmeans_scores(z, LABELS)
    assert 1 / 3 < scores.accuracy < 1
    assert kmeans_scores(z, names[LABELS]) == pytest.approx(scores)


def test_only_the_directions_of_the_features_matter():
    z = overlapping()
    lengths = np.geomspace(0.1, 10, len(z), dtype=np.float32)[:, None]
    assert kmeans_scores(z * lengths, LABELS) == pytest.approx(kmeans_scores(z, LABELS))


def test_equal_features_score_the_largest_class():
    labels = np.array([0, 0, 0, 1])
    scores = kmeans_scores(np.ones((4, 2), np.float32), labels)
    assert scores == pytest.approx((0.75, 0.0, 0.0))


def test_scores_are_reproducible_and_depend_on_the_number_of_clusters():
    z = overlapping()
    assert kmeans_scores(z, LABELS) == kmeans_scores(z, LABELS)
    single = kmeans_scores(z, LABELS, clusters=1)
    assert single == pytest.approx((1 / 3, 0.0, 0.0))


def test_the_accuracy_is_that_of_the_best_of_all_matches():
    rng = np.random.default_rng(0)
    for clusters, classes in ((4, 4), (3, 5), (5, 3)):
        assigned, labels = rng.integers(clusters, size=40), rng.integers(classes, size=40)
        numbers = range(max(clusters, classes))
        best = max(
            np.mean(
                [match[cluster] == label for cluster, label in zip(assigned, labels, strict=True)]
            )
            for match in itertools.permutations(numbers)
        )
        assert matched_accuracy(assigned, labels) == pytest.approx(best)


def test_the_other_scores_follow_their_formulas():
    """Counted by hand: the clusters are those of the directions, 30 | 30 of classes 20 | 40."""
    labels = np.repeat([0, 1, 1], [20, 10, 30])
    z = np.repeat([[1.0, 0], [0, 1]], 30, axis=0).astype(np.float32)
    scores = kmeans_scores(z, labels, clusters=2)
    counts = np.array([[20, 10], [0, 30]])
    joint = counts / 60
    rows, columns = joint.sum(1), joint.sum(0)
    information = sum(
        joint[i, j] * math.log(joint[i, j] / (rows[i] * columns[j]))
        for i in range(2)
        for j in range(2)
        if joint[i, j]
    )
    entropies = [-sum(p * math.log(p) for p in part) for part in (rows, columns)]

    def pairs(count):
        return count * (count - 1) / 2

    together = sum(map(pairs, counts.ravel()))
    of_clusters, of_classes = (sum(map(pairs, counts.sum(axis))) for axis in (1, 0))
    expected = of_clusters * of_classes / pairs(60)
    rand = (together - expected) / ((of_clusters + of_classes) / 2 - expected)
    assert scores.accuracy == pytest.approx(50 / 60)
    assert scores.nmi == pytest.approx(information / np.mean(entropies))
    assert scores.ari == pytest.approx(rand)


@pytest.mark.parametrize(
    ("z", "y", "clusters", "message"),
    [
        (np.full((3, 2), np.nan), np.arange(3), None, "NaN"),
        (np.ones((3, 2)), np.arange(4), None, "shape"),
        (np.ones((3, 2)), np.arange(3) - 1, None, "from 0"),
        (np.ones((3, 2)), np.arange(3), 4, "clusters=4"),
        (np.ones((3, 2)), np.arange(3), 0, "clusters=0"),
    ],
)
def test_bad_arguments_are_refused(z, y, clusters, message):
    with pytest.raises(ValueError, match=message):
        kmeans_scores(z, y, clusters=clusters)
