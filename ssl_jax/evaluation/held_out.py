"""Training examples that are held out to choose the settings of a classifier."""

import numpy as np
from jaxtyping import Bool, Int

FOLDS = 5
AT_MOST = 10_000


def for_choices(y: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " s"], Bool[np.ndarray, " s"]]:
    """Draws the examples on which choices are made: the same ones for any features.

    They are at most 10,000, or two per class if that is more, with about the same share of each
    class. One in five of each class is held out, or none of a class with a single example.

    Args:
      y: labels, 0 or more.

    Returns:
      Indices of the drawn examples, in ascending order, and which of them are held out.
    """
    rank = rank_in_class(y, np.random.default_rng(0))
    counts = np.bincount(y)
    position = (rank + 0.5) / counts[y]
    drawn = np.sort(np.argsort(position, kind="stable")[: max(AT_MOST, 2 * len(counts))])
    return drawn, rank[drawn] % FOLDS == 1


def rank_in_class(y: Int[np.ndarray, " n"], rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Shuffles each class, and returns each example's position in its class, from 0."""
    order = rng.permutation(len(y))
    by_class = order[np.argsort(y[order], kind="stable")]
    counts = np.bincount(y)
    rank = np.empty(len(y), int)
    rank[by_class] = np.arange(len(y)) - (np.cumsum(counts) - counts)[y[by_class]]
    return rank
