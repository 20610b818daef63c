"""The accuracy of each class, from worst to best."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssl_jax.evaluation.classes import by_class

_CLASSES, _ENDS = 20, 10


def per_class(
    labels: np.ndarray | None, predictions: np.ndarray | None, names: Mapping[int, str]
) -> dict[str, Any] | None:
    """Returns the accuracy of each class; of over 20 classes, of the 10 worst and the 10 best.

    Args:
      labels: int [m], or None.
      predictions: int [m], or None.
      names: names of the classes.

    Returns:
      Values for the template: ``parts``, one or two lists of name, accuracy and number of test
      examples, from worst to best; ``classes``, the number of classes with test examples. None
      without labels or predictions.
    """
    if labels is None or predictions is None or not len(labels):
        return None
    last = max(names, default=-1)
    in_order = [names.get(label, str(label)) for label in range(last + 1)]
    found = by_class(np.asarray(labels), np.asarray(predictions), in_order)["classes"]
    rows = sorted((row for row in found if row["examples"]), key=lambda row: row["accuracy"])
    listed = [(row["name"], row["accuracy"], row["examples"]) for row in rows]
    parts = [listed] if len(listed) <= _CLASSES else [listed[:_ENDS], listed[-_ENDS:]]
    return {"parts": parts, "classes": len(listed)}
