"""What frozen features are worth: the scores of ``evaluation.json``, each beside its baselines."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ssl_jax.evaluation._knn import knn_predict
from ssl_jax.evaluation._linear_probe import few_labels, linear_probe_predict
from ssl_jax.evaluation._paired import paired_standard_error
from ssl_jax.evaluation.features import Extracted


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


def linear_top1(train: Extracted, test: Extracted) -> float:
    """The accuracy of a linear probe alone; a class that ``train`` lacks counts as an error."""
    names, train_y = np.unique(np.asarray(train.y), return_inverse=True)
    logits = linear_probe_predict(train.z, train_y, test.z)
    return float((names[logits.argmax(-1)] == test.y).mean())


def judge(train: Extracted, test: Extracted, config: ConfigDict) -> Judged:
    """kNN, a linear probe on all labels and one on ten labels a class.

    Args:
      train: labelled features; at least one class has two examples.
      test: labelled features; a class that ``train`` lacks counts as an error.
      config: ``knn_k`` and ``knn_temperature``.

    Returns:
      What each test example got right.
    """
    names, train_y = np.unique(np.asarray(train.y), return_inverse=True)
    votes = knn_predict(
        train.z,
        train_y,
        test.z,
        classes=len(names),
        k=min(config.knn_k, len(train.z)),
        temperature=config.knn_temperature,
    )
    linear = linear_probe_predict(train.z, train_y, test.z)
    few = few_labels(train.z, train_y, test.z)
    first_five = names[np.argsort(-linear, axis=-1)[:, :5]]
    predictions = names[linear.argmax(-1)]
    return Judged(
        correct={
            "knn_top1": names[votes.argmax(-1)] == test.y,
            "linear_top1": predictions == test.y,
            "linear100_top1": names[few.argmax(-1)] == test.y,
        },
        predictions=predictions,
        top5=float((first_five == np.reshape(np.asarray(test.y), (-1, 1))).any(-1).mean()),
    )


def compare(
    learned: Judged, baselines: Mapping[str, Judged], prefix: str = ""
) -> Iterator[tuple[str, float]]:
    """Each score with its baselines', and the paired standard error of its lead over each.

    Args:
      learned: the trained network's.
      baselines: ``random_init`` and ``input``.
      prefix: of the scores' names.

    Yields:
      ``("knn_top1", 0.85)``, ``("input_knn_top1", 0.81)``, ``("knn_top1_minus_input_se", 0.006)``
      and so on.
    """
    for key, correct in learned.correct.items():
        score = prefix + key
        yield score, float(correct.mean())
        for name, baseline in baselines.items():
            theirs = baseline.correct[key]
            yield f"{name}_{score}", float(theirs.mean())
            yield f"{score}_minus_{name}_se", float(paired_standard_error(correct, theirs))
    yield f"{prefix}linear_top5", learned.top5
