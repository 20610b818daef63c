"""What a classifier got right, class by class."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Classified(NamedTuple):
    """What a trained classifier got right.

    Attributes:
      predictions: int ``[m]``.
      correct: bool ``[m]``.
      top5: share of examples whose class is among the five most likely ones.
      balanced: mean over the classes of the accuracy on their examples.
    """

    predictions: np.ndarray
    correct: np.ndarray
    top5: float
    balanced: float


def classify(logits: Float[np.ndarray, "m k"], labels: Int[np.ndarray, " m"]) -> Classified:
    """Scores a classifier.

    Args:
      logits: of the classes 0..k-1.
      labels: ground truth; a class of k or more counts as an error.
    """
    predictions = logits.argmax(-1)
    correct = predictions == labels
    first_five = np.argsort(-logits, axis=-1, kind="stable")[:, :5]
    return Classified(
        predictions,
        correct,
        float((first_five == labels[:, None]).any(-1).mean()),
        float(np.mean([correct[labels == label].mean() for label in np.unique(labels)])),
    )


def by_class(
    labels: Int[np.ndarray, " m"],
    predictions: Int[np.ndarray, " m"],
    names: Sequence[str] | None,
) -> dict[str, Any]:
    """Returns the content of ``classes.json``.

    Args:
      labels: ground truth.
      predictions: of the same examples.
      names: of the classes 0, 1, ...; numbers if None.

    Returns:
      ``classes``: for each class that occurs, its name, its number of examples and its accuracy
      (None without examples); ``confusion``: number of examples, one row per true class and one
      column per predicted class.
    """
    present, indices = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    true, predicted = indices[: len(labels)], indices[len(labels) :]
    counts = np.zeros((len(present), len(present)), int)
    np.add.at(counts, (true, predicted), 1)
    rows: list[Mapping[str, Any]] = []
    for position, label in enumerate(present.tolist()):
        total = int(counts[position].sum())
        rows.append(
            {
                "name": names[label] if names and label < len(names) else str(label),
                "examples": total,
                "accuracy": counts[position, position] / total if total else None,
            }
        )
    return {"classes": rows, "confusion": counts.tolist()}
