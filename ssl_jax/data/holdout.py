"""Holds out class-balanced training images, so that recipes are chosen without the test set."""

import numpy as np

from ssl_jax.data.dataset import Chain, Dataset, Source, Subset, labels_of
from ssl_jax.errors import InputError

_SEED = 20170825


def hold_out(dataset: Dataset, count: int) -> Dataset:
    """Removes `count` images from the training set and makes them the test set.

    The draw depends only on the data, not on the run's seed. Class counts differ by at most one
    image, unless a class is too small. Without labels the draw is uniform.

    Raises:
      InputError: `count` is not less than the number of training images.
    """
    total = len(dataset.train)
    if count >= total:
        raise InputError(
            f"data.holdout: {count} leaves no training image; expected less than {total}"
        )
    held_out = draw(dataset.train, count)
    rest = Subset(dataset.train, np.setdiff1d(np.arange(total), held_out))

    def without_held_out(source: Source) -> Source:
        if isinstance(source, Chain):
            return Chain(*map(without_held_out, source.parts))
        return rest if source is dataset.train else source

    note = f"holdout: {count} training images replace the test set"
    return dataset._replace(
        pretrain=without_held_out(dataset.pretrain),
        train=rest,
        test=Subset(dataset.train, held_out),
        notes=(*dataset.notes, note),
    )


def draw(source: Source, count: int) -> np.ndarray:
    """Draws the `count` indices of a source that `hold_out` would hold out."""
    labels = labels_of(source)
    return balanced(np.zeros(len(source), int) if labels is None else labels, count, _SEED)


def balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` indices, spread over the labels as evenly as possible; returns them sorted.

    The draw only uses the raw stream of NumPy's Philox generator, which NumPy promises not to
    change.
    """
    shuffled = np.argsort(np.random.Philox(seed).random_raw(len(labels)), kind="stable")
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, firsts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank_in_class = np.arange(len(labels)) - np.repeat(firsts, sizes)
    return np.sort(by_class[np.argsort(rank_in_class, kind="stable")[:count]])
