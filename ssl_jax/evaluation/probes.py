"""Runs the classifiers on frozen features."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ssl_jax.evaluation import vote as voting
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.linear import MANY, few_labels, linear_probe_predict
from ssl_jax.evaluation.vote import Vote

PER_CLASS = 10  # labels
_DRAWS = 10
_DRAWS_OF_MANY = 3  # a draw of 10,000 examples takes minutes on two cores


class ProbeResults(NamedTuple):
    """What the probes of a set of features got right.

    Attributes:
      correct: for each metric, whether each test example is classified correctly: ``[m]``, or
        ``[draws, m]`` with few labels.
      predictions: ``[m]``, the linear probe's.
      top5: top-5 accuracy of the linear probe.
      vote: how the nearest neighbors voted.
    """

    correct: dict[str, np.ndarray]
    predictions: np.ndarray
    top5: float
    vote: Vote


def linear_top1(train: Extracted, test: Extracted) -> float:
    """Returns the accuracy of a linear probe; a class that ``train`` lacks counts as an error."""
    names, train_y = np.unique(np.asarray(train.y), return_inverse=True)
    logits = linear_probe_predict(train.z, train_y, test.z)
    return float((names[logits.argmax(-1)] == test.y).mean())


def run_probes(
    train: Extracted,
    test: Extracted,
    config: ConfigDict,
    *,
    linear: Sequence[np.ndarray] | None = None,
) -> ProbeResults:
    """Runs kNN, a linear probe on all labels, and one on 10 labels per class.

    The last one is drawn ten times, or three times with more than 200 classes.

    Args:
      train: labeled features; at least one class has two examples.
      test: labeled features; a class that ``train`` lacks counts as an error.
      config: ``config.evaluation``, with ``knn_k``, ``knn_temperature`` and ``knn_transform``;
        what is None is chosen on held-out training examples.
      linear: other features of the same examples, ``[n, d]`` and ``[m, d]``, for the linear probes;
        None: the same ones.
    """
    names, train_y = np.unique(np.asarray(train.y), return_inverse=True)
    vote = voting.choose(
        train.z,
        train_y,
        k=config.knn_k,
        temperature=config.knn_temperature,
        transform=config.knn_transform,
    )
    votes = voting.predict(train.z, train_y, test.z, vote, classes=len(names))
    train_z, test_z = linear or (train.z, test.z)
    logits = linear_probe_predict(train_z, train_y, test_z)
    draws = _DRAWS if PER_CLASS * len(names) <= MANY else _DRAWS_OF_MANY
    few = few_labels(train_z, train_y, test_z, per_class=PER_CLASS, draws=draws)
    first_five = names[np.argsort(-logits, axis=-1)[:, :5]]
    predictions = names[logits.argmax(-1)]
    return ProbeResults(
        correct={
            "knn_top1": names[votes.argmax(-1)] == test.y,
            "linear_top1": predictions == test.y,
            "linear100_top1": names[few.argmax(-1)] == test.y,
        },
        predictions=predictions,
        top5=float((first_five == np.reshape(np.asarray(test.y), (-1, 1))).any(-1).mean()),
        vote=vote,
    )
