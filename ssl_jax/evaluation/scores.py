"""What frozen features are worth: the scores of ``evaluation.json``, each beside its baselines."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ssl_jax.evaluation._knn import knn_predict
from ssl_jax.evaluation._linear_probe import few_labels, linear_probe_predict
from ssl_jax.evaluation._paired import paired_standard_error


class Labelled(NamedTuple):
    """Features of the probes' training and test examples, with their labels.

    Attributes:
      train_z: ``[n, d]``.
      train_y: ``[n]``, whole numbers from 0; at least one class has two examples.
      test_z: ``[m, d]``.
      test_y: ``[m]``.
    """

    train_z: np.ndarray
    train_y: np.ndarray
    test_z: np.ndarray
    test_y: np.ndarray


class Judged(NamedTuple):
    """How a set of features did.

    Attributes:
      correct: for each score, of each test example: ``[m]``, or ``[draws, m]`` for few labels.
      predictions: ``[m]``, the linear probe's.
      top5: share of test examples whose class is among the linear probe's first five.
    """

    correct: dict[str, np.ndarray]
    predictions: np.ndarray
    top5: float


def judge(z: Labelled, config: ConfigDict) -> Judged:
    """kNN, a linear probe on all labels and one on ten labels a class.

    A test example of a class that the training data lacks counts as an error.

    Args:
      z: features; the untrained network's and the raw input's are judged alike.
      config: ``knn_k`` and ``knn_temperature``.

    Returns:
      What each test example got right.
    """
    names, train_y = np.unique(z.train_y, return_inverse=True)
    k = min(config.knn_k, len(z.train_z))
    votes = knn_predict(
        z.train_z,
        train_y,
        z.test_z,
        classes=len(names),
        k=k,
        temperature=config.knn_temperature,
    )
    linear = linear_probe_predict(z.train_z, train_y, z.test_z)
    few = few_labels(z.train_z, train_y, z.test_z)
    first_five = names[np.argsort(-linear, axis=-1)[:, :5]]
    predictions = names[linear.argmax(-1)]
    return Judged(
        correct={
            "knn_top1": names[votes.argmax(-1)] == z.test_y,
            "linear_top1": predictions == z.test_y,
            "linear100_top1": names[few.argmax(-1)] == z.test_y,
        },
        predictions=predictions,
        top5=float((first_five == z.test_y[:, None]).any(-1).mean()),
    )


def compare(learned: Judged, baselines: Mapping[str, Judged]) -> Iterator[tuple[str, float]]:
    """Each score with its baselines', and the paired standard error of its lead over each.

    Args:
      learned: the trained network's.
      baselines: ``random_init`` and ``input``.

    Yields:
      ``("knn_top1", 0.85)``, ``("input_knn_top1", 0.81)``, ``("knn_top1_minus_input_se", 0.006)``
      and so on.
    """
    for score, correct in learned.correct.items():
        yield score, float(correct.mean())
        for name, baseline in baselines.items():
            theirs = baseline.correct[score]
            yield f"{name}_{score}", float(theirs.mean())
            yield f"{score}_minus_{name}_se", float(paired_standard_error(correct, theirs))
    yield "linear_top5", learned.top5
