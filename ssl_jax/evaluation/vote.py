"""How nearest neighbors vote, chosen on training examples alone.

A fixed choice favors some features over others. Network features often share a large mean, which
makes all cosines alike; pixels need fewer neighbors and a lower temperature than the usual 20 and
0.1. So each representation gets the choice that serves it best on held-out training examples.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ssl_jax.evaluation.held_out import for_choices
from ssl_jax.evaluation.nearest import knn_predict, neighbors
from ssl_jax.evaluation.transforms import TRANSFORMS

NEIGHBORS = (5, 10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2)


class Vote(NamedTuple):
    """How neighbors vote.

    Attributes:
      k: number of neighbors.
      temperature: of their weights.
      transform: what is done to the features first, a key of ``TRANSFORMS``.
    """

    k: int
    temperature: float
    transform: str

    def words(self) -> str:
        """Returns the vote in words."""
        return f"{self.k} neighbors, temperature {self.temperature:g}, {self.transform} features"


def choose(
    z: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    *,
    k: int | None = None,
    temperature: float | None = None,
    transform: str | None = None,
) -> Vote:
    """Chooses how the neighbors vote, by the accuracy on held-out training examples.

    Args:
      z: training features.
      y: their labels, 0 or more; some class has two examples.
      k: binds the number of neighbors, if given.
      temperature: binds the temperature, if given.
      transform: binds the transform, if given.

    Returns:
      The most accurate of ``NEIGHBORS`` x ``TEMPERATURES`` x ``TRANSFORMS``; among equals, the
      first. There are never more neighbors than training examples.
    """
    rows, held_out = for_choices(y)
    bank, queries = rows[~held_out], rows[held_out]
    ks = sorted({min(each, len(bank)) for each in (NEIGHBORS if k is None else (k,))})
    temperatures = TEMPERATURES if temperature is None else (temperature,)
    transforms = tuple(TRANSFORMS) if transform is None else (transform,)
    candidates: dict[Vote, float] = {}
    for name in transforms:
        transformed = TRANSFORMS[name](z[bank])
        indices, similarities = neighbors(transformed(z[bank]), transformed(z[queries]), ks[-1])
        for each in temperatures:
            for count, scores in _votes(y[bank][indices], similarities, each, ks):
                vote = Vote(count, each, name)
                candidates[vote] = float((scores.argmax(-1) == y[queries]).mean())
    best = max(candidates, key=candidates.__getitem__)
    return best if k is None else best._replace(k=min(k, len(z)))


def predict(
    train_z: Float[np.ndarray, "n d"],
    train_y: Int[np.ndarray, " n"],
    test_z: Float[np.ndarray, "m d"],
    vote: Vote,
    *,
    classes: int,
) -> Float[np.ndarray, "m classes"]:
    """Returns each class's share of the vote; see ``knn_predict``."""
    transformed = TRANSFORMS[vote.transform](train_z)
    return knn_predict(
        transformed(train_z),
        train_y,
        transformed(test_z),
        classes=classes,
        k=vote.k,
        temperature=vote.temperature,
    )


def write(votes: Mapping[str, Vote], prefixes: Mapping[str, str]) -> dict[str, float]:
    """Returns the flat form in ``evaluation.json``: ``knn_k``, ``input_knn_centered``, ...

    Args:
      votes: by representation.
      prefixes: of the keys, by representation.
    """
    values: dict[str, float] = {}
    for name, vote in votes.items():
        values |= {
            f"{prefixes[name]}knn_k": vote.k,
            f"{prefixes[name]}knn_temperature": vote.temperature,
            f"{prefixes[name]}knn_centered": float(vote.transform != "raw"),
            f"{prefixes[name]}knn_standardized": float(vote.transform == "standardized"),
        }
    return values


def read(values: Mapping[str, float], prefixes: Mapping[str, str]) -> dict[str, Vote]:
    """Returns the votes in ``evaluation.json``; earlier runs have none."""
    votes = {}
    for name, prefix in prefixes.items():
        if f"{prefix}knn_k" in values:
            steps = bool(values[f"{prefix}knn_centered"]) + bool(
                values[f"{prefix}knn_standardized"]
            )
            votes[name] = Vote(
                int(values[f"{prefix}knn_k"]),
                values[f"{prefix}knn_temperature"],
                tuple(TRANSFORMS)[steps],
            )
    return votes


def _votes(
    labels: Int[np.ndarray, "m k"],
    similarities: Float[np.ndarray, "m k"],
    temperature: float,
    ks: list[int],
) -> Iterator[tuple[int, Float[np.ndarray, "m classes"]]]:
    """Yields the weighted votes of the first neighbors, for each number of them."""
    weights = np.exp((similarities - similarities[:, :1]) / temperature)
    scores = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    start = 0
    for count in ks:
        part = slice(start, count)
        np.add.at(scores, (np.arange(len(labels))[:, None], labels[:, part]), weights[:, part])
        yield count, scores
        start = count
