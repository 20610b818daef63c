"""Few labels: keeps some labeled examples per class, and leaves the others unlabeled."""

import numpy as np

from ssl_jax.data.dataset import Dataset, Source, Subset, gather, labels_of
from ssl_jax.data.holdout import balanced
from ssl_jax.errors import InputError

_READ = 1000  # examples that are read at once for their labels


def keep_labels(dataset: Dataset, per_class: int, draw: int) -> Dataset:
    """Keeps ``per_class`` labeled training examples of each class.

    The draw depends only on the data and on ``draw``. ``pretrain`` and ``test`` stay as they are.

    Args:
      dataset: with labels.
      per_class: examples to keep per class.
      draw: number of the draw; each gives other examples.

    Raises:
      InputError: there are no labels, or a class has fewer examples (it is named).
    """
    labels = read_labels(dataset.train)
    if labels is None:
        raise InputError(
            f"data.labels: {per_class}, but the data has no labels; expected labeled examples"
        )
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < per_class:
        rarest = int(classes[counts.argmin()])
        name = repr(dataset.label_names[rarest]) if dataset.label_names else str(rarest)
        raise InputError(
            f"data.labels: {per_class}, but the class {name} has {counts.min()} training examples; "
            f"expected at most {counts.min()}"
        )
    chosen = balanced(labels, per_class * len(classes), draw)
    note = f"labels: {per_class} per class, {len(chosen)} of {len(labels)} training examples"
    train = Subset(dataset.train, chosen)
    return dataset._replace(train=train, origins=None, notes=(*dataset.notes, note))


def read_labels(source: Source) -> np.ndarray | None:
    """Returns a source's labels, int32 [n], reading its examples if need be; None without any."""
    labels = labels_of(source)
    if labels is not None or "label" not in source[0]:
        return labels
    starts = range(0, len(source), _READ)
    rows = [np.arange(start, min(start + _READ, len(source))) for start in starts]
    return np.concatenate([gather(source, part)["label"] for part in rows])
