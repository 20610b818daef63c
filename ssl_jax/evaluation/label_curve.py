"""Accuracy against the number of labels per class."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from ssl_jax.evaluation import vote as voting
from ssl_jax.evaluation.checks import check_features
from ssl_jax.evaluation.held_out import rank_in_class
from ssl_jax.evaluation.linear import few_labels, linear_probe_predict
from ssl_jax.evaluation.nearest import knn_predict
from ssl_jax.evaluation.transforms import standardized

DRAWS = 10
PENALTY_OF_ONE = 1e-2
_STEPS = (1, 2, 5)


class Point(NamedTuple):
    """Accuracies with some number of labels per class, each ``[draws]``, in [0, 1].

    Attributes:
      linear: of the linear probe.
      knn: of the nearest neighbors.
    """

    linear: np.ndarray
    knn: np.ndarray


def sizes(y: Int[Array | np.ndarray, " n"]) -> list[int | None]:
    """Returns the numbers of labels per class to try: 1, 2, 5, 10, 20, 50, ..., and None for all.

    They do not exceed the median class, and stay below the largest class, where they would repeat
    the result of all labels.

    Args:
      y: labels, any integers.
    """
    counts = np.unique(np.asarray(y), return_counts=True)[1]
    tries = [step * 10**power for power in range(len(str(counts.max()))) for step in _STEPS]
    fitting = [size for size in tries if size <= np.median(counts) and size < counts.max()]
    return [*fitting, None]


def label_curve_point(
    train_z: Float[Array | np.ndarray, "n d"],
    train_y: Int[Array | np.ndarray, " n"],
    test_z: Float[Array | np.ndarray, "m d"],
    test_y: Int[Array | np.ndarray, " m"],
    *,
    per_class: int | None,
    draws: int = DRAWS,
    seed: int = 0,
    k: int | None = None,
    temperature: float | None = None,
    transform: str | None = None,
) -> Point:
    """Returns the accuracies of both classifiers with a number of labels per class.

    It measures how many labels the features need. Whatever is chosen is chosen on the labels of the
    draw alone:

    - Two labels or more: the linear probe is that of `few_labels`, with the same draws. The votes
      of the neighbors are chosen by `vote.choose` on the drawn examples.
    - One label: nothing can be held out, so everything is fixed. The linear probe has the l2
      penalty 0.01 on standardized features. The nearest neighbor, by cosine similarity of
      standardized features, gives its class. The mean and the standard
      deviation come from all training features, which needs no labels.
    - All labels: `linear_probe_predict`, and `vote.choose` on all training examples. There is
      nothing to draw, so there is one accuracy.

    Args:
      train_z: features.
      train_y: labels, any integers; some class has two examples.
      test_z: features.
      test_y: labels; a class that is not in `train_y` counts as an error.
      per_class: labeled examples per class, all of a class that has fewer; None: all labels.
      draws: number of independent draws of the labeled examples.
      seed: draw i uses the random seed (seed, i).
      k: binds the number of neighbors, except with one label; never more than there are examples.
      temperature: binds the temperature of the votes, if given.
      transform: binds the transform before kNN, except with one label.

    Returns:
      The accuracies on the test examples, one per draw.

    Raises:
      ValueError: Shapes do not match, features are not finite, no class has two examples, or
        `per_class` or `draws` is below 1.
    """
    if draws < 1 or (per_class is not None and per_class < 1):
        raise ValueError(f"per_class={per_class} and draws={draws} must be at least 1")
    train, test = check_features(train_z, test_z)
    names, y = np.unique(np.asarray(train_y), return_inverse=True)
    test_y = np.asarray(test_y)

    def accuracies(scores: np.ndarray) -> np.ndarray:
        return np.atleast_1d((names[scores.argmax(-1)] == test_y).mean(-1))

    def voted(rows: np.ndarray) -> np.ndarray:
        vote = voting.choose(
            train[rows], y[rows], k=k, temperature=temperature, transform=transform
        )
        return voting.predict(train[rows], y[rows], test, vote, classes=len(names))

    if per_class is None:
        linear = linear_probe_predict(train, y, test)
        return Point(accuracies(linear), accuracies(voted(np.arange(len(y)))))
    drawn = [_draw(y, per_class, (seed, draw)) for draw in range(draws)]
    if per_class > 1:
        linear = few_labels(train, y, test, per_class=per_class, draws=draws, seed=seed)
        knn = [accuracies(voted(rows)) for rows in drawn]
        return Point(accuracies(linear), np.concatenate(knn))
    penalties = (PENALTY_OF_ONE,)
    linear = few_labels(train, y, test, per_class=1, draws=draws, seed=seed, penalties=penalties)
    transformed = standardized(train)
    x, test_x = transformed(train), transformed(test)
    nearest = [knn_predict(x[rows], y[rows], test_x, classes=len(names), k=1) for rows in drawn]
    return Point(accuracies(linear), accuracies(np.stack(nearest)))


def _draw(y: Int[np.ndarray, " n"], per_class: int, seed: tuple[int, int]) -> np.ndarray:
    """Draws the examples that `few_labels` draws."""
    return np.flatnonzero(rank_in_class(y, np.random.default_rng(seed)) < per_class)
