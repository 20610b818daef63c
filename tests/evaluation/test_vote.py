"""The choice of how neighbors vote, by held-out training examples."""

import numpy as np
import pytest

from ssl_jax.evaluation import knn, vote
from ssl_jax.evaluation.held_out import for_choices
from ssl_jax.evaluation.transforms import TRANSFORMS
from ssl_jax.evaluation.vote import NEIGHBORS, TEMPERATURES, Vote, choose, predict

LABELS = np.arange(300) % 3


def clusters(seed: int, spread: float = 1.5, labels: np.ndarray = LABELS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(3, 5))
    return (centers[labels] + spread * rng.normal(size=(len(labels), 5))).astype(np.float32)


def accuracy(z, y, k, temperature, transform):
    """The accuracy on the held-out examples, by the public function."""
    rows, held_out = for_choices(y)
    bank, queries = rows[~held_out], rows[held_out]
    transformed = TRANSFORMS[transform](z[bank])
    train, test = transformed(z[bank]), transformed(z[queries])
    return knn(train, y[bank], test, y[queries], k=k, temperature=temperature)


def test_the_most_accurate_candidate_is_chosen_and_the_first_among_equals():
    z = clusters(0)
    expected, best = None, -1.0
    for transform in TRANSFORMS:
        for temperature in TEMPERATURES:
            for k in NEIGHBORS:
                found = accuracy(z, LABELS, k, temperature, transform)
                if found > best:
                    expected, best = Vote(k, temperature, transform), found
    assert choose(z, LABELS) == expected


@pytest.mark.parametrize(
    "bound",
    [{"k": 3}, {"temperature": 0.7}, {"transform": "centered"}, {"k": 7, "transform": "raw"}],
)
def test_what_is_given_binds(bound):
    chosen = choose(clusters(0), LABELS, **bound)
    assert bound.items() <= chosen._asdict().items()


def test_test_examples_and_the_order_of_the_candidates_features_play_no_part():
    z = clusters(0)
    assert choose(z, LABELS) == choose(z[:, ::-1].copy(), LABELS)


def test_features_with_a_large_common_offset_are_centered():
    z = clusters(0, spread=0.3) + 1000 * np.array([1, 1, 1, 1, 1], np.float32)
    assert choose(z, LABELS).transform != "raw"


def test_features_of_unequal_scale_are_standardized():
    z = clusters(0, spread=0.3)
    noise = np.random.default_rng(1).normal(size=(300, 2)).astype(np.float32)
    assert choose(np.hstack([z, 10 * noise]), LABELS).transform == "standardized"


def test_few_examples_limit_the_number_of_neighbors():
    y = np.array([0, 0, 1, 1, 1])
    chosen = choose(clusters(0, labels=y), y)
    assert chosen.k <= 4
    assert choose(clusters(0, labels=y), y, k=50).k == 5


def test_prediction_transforms_by_the_statistics_of_the_training_set():
    train, test = clusters(0), clusters(1) + 5
    chosen = Vote(10, 0.1, "standardized")
    scores = predict(train, LABELS, test, chosen, classes=3)
    mean, std = train.mean(0), train.std(0)
    arrays = ((train - mean) / std, LABELS, (test - mean) / std, LABELS)
    assert (scores.argmax(-1) == LABELS).mean() == knn(*arrays, k=10, temperature=0.1)


def test_votes_are_written_and_read_back():
    prefixes = {"learned": "", "input": "input_"}
    votes = {"learned": Vote(5, 0.1, "centered"), "input": Vote(200, 0.02, "raw")}
    assert vote.read(vote.write(votes, prefixes), prefixes) == votes
    assert vote.read({"knn_top1": 0.5}, prefixes) == {}
