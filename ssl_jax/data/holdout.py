"""Choosing recipes without the test set: class-balanced training images in its place."""

import numpy as np

from ssl_jax.data.dataset import Chain, Dataset, Source, Subset, labels_of
from ssl_jax.errors import InputError

_SEED = 20170825


def hold_out(dataset: Dataset, count: int) -> Dataset:
    """Takes `count` images out of what is trained on and makes them the test set.

    The draw depends on the data only, not on the run's seed. The classes differ by one image at
    most, as long as each has enough; without labels the draw is uniform.

    Raises:
      InputError: as many images are asked for as there are, or more.
    """
    total = len(dataset.train)
    if count >= total:
        raise InputError(
            f"data.holdout: {count} leaves no training image; expected less than {total}"
        )
    held = draw(dataset.train, count)
    rest = Subset(dataset.train, np.setdiff1d(np.arange(total), held))

    def without(source: Source) -> Source:
        if isinstance(source, Chain):
            return Chain(*map(without, source.parts))
        return rest if source is dataset.train else source

    note = f"holdout: {count} training images take the place of the test set"
    return dataset._replace(
        pretrain=without(dataset.pretrain),
        train=rest,
        test=Subset(dataset.train, held),
        notes=(*dataset.notes, note),
    )


def draw(source: Source, count: int) -> np.ndarray:
    """Draws `count` indices of a source, as `hold_out` does."""
    labels = labels_of(source)
    return balanced(np.zeros(len(source), int) if labels is None else labels, count, _SEED)


def balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` indices, as evenly over the labels as their numbers allow, sorted.

    The draw uses only what NumPy promises to keep: the raw stream of its Philox generator.
    """
    shuffled = np.argsort(np.random.Philox(seed).random_raw(len(labels)), kind="stable")
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, firsts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank_in_class = np.arange(len(labels)) - np.repeat(firsts, sizes)
    return np.sort(by_class[np.argsort(rank_in_class, kind="stable")[:count]])
