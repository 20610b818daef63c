"""The classes that a probe confuses."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_MATRIX_CLASSES, _PAIRS = 20, 15


def confusion(
    labels: np.ndarray | None, predictions: np.ndarray | None, names: Mapping[int, str]
) -> dict[str, Any] | None:
    """Returns the confusion matrix, or the most frequent mistakes if there are over 20 classes.

    Args:
      labels: int [m], or None.
      predictions: int [m], or None.
      names: names of the classes.

    Returns:
      Values for the template; None without labels or predictions.
    """
    if labels is None or predictions is None or not len(labels):
        return None
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    classes, indices = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    true, predicted = indices[: len(labels)], indices[len(labels) :]
    class_names = [names.get(label, str(label)) for label in classes.tolist()]
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(classes) <= _MATRIX_CLASSES:
        return {"names": class_names, "shares": shares.tolist()}
    wrong = counts * (1 - np.eye(len(classes), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    return {
        "names": class_names,
        "pairs": [
            (class_names[i], class_names[j], int(counts[i, j]), float(shares[i, j]))
            for i, j in pairs
            if wrong[i, j]
        ],
    }
