"""Holds out class-balanced training images, so that recipes are chosen without the test set."""

import numpy as np

from ssl_jax.data.dataset import Chain, Dataset, Source, Subset, labels_of
from ssl_jax.errors import InputError

_SEED = 20170825


def hold_out(dataset: Dataset, count: int) -> Dataset:
    """Removes `count` images from the training set and makes them the test set.

    The draw depends only on the data, not on the run's seed. Class counts differ by at most one
    image, unless a class is too small. Without labels the draw is uniform.

    If several images are made from one original (`dataset.origins`), whole originals are drawn,
    without regard to classes. Images of theirs that exceed `count` are left out.

    Raises:
      InputError: `count` leaves no training image.
    """
    total = len(dataset.train)
    if dataset.origins is not None:
        held_out, left = _draw_originals(dataset.train, dataset.origins, count)
    elif count < total:
        held_out = draw(dataset.train, count)
        left = np.setdiff1d(np.arange(total), held_out)
    else:
        raise InputError(
            f"data.holdout: {count} leaves no training image; expected less than {total}"
        )
    rest = Subset(dataset.train, left)

    def without_held_out(source: Source) -> Source:
        if isinstance(source, Chain):
            return Chain(*map(without_held_out, source.parts))
        return rest if source is dataset.train else source

    note = f"holdout: {count} training images replace the test set"
    if left_out := total - len(left) - count:
        note += f"; {left_out} more that are made from the same originals are left out"
    return dataset._replace(
        pretrain=without_held_out(dataset.pretrain),
        train=rest,
        test=Subset(dataset.train, held_out),
        notes=(*dataset.notes, note),
        origins=None,
    )


def draw(source: Source, count: int) -> np.ndarray:
    """Draws the `count` indices of a source that `hold_out` would hold out."""
    return balanced(_labels(source), count, _SEED)


def balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` indices, spread over the labels as evenly as possible; returns them sorted.

    The draw only uses the raw stream of NumPy's Philox generator, which NumPy promises not to
    change.
    """
    shuffled = _shuffled(len(labels), seed)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, firsts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank_in_class = np.arange(len(labels)) - np.repeat(firsts, sizes)
    return np.sort(by_class[np.argsort(rank_in_class, kind="stable")[:count]])


def _draw_originals(source: Source, origins: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """Draws `count` images of originals drawn whole; returns them and the other originals' images.

    Raises:
      InputError: no original would be left.
    """
    _, original_of, sizes = np.unique(origins, return_inverse=True, return_counts=True)
    order = _shuffled(len(sizes), _SEED)
    ends = np.cumsum(sizes[order])
    drawn = order[: 1 + np.searchsorted(ends, count)]
    if len(drawn) == len(order):
        raise InputError(
            f"data.holdout: {count} leaves no training image, since images made from one original "
            f"stay together; expected at most {(ends - sizes[order])[-1]}"
        )
    is_drawn = np.isin(original_of, drawn)
    rows = np.flatnonzero(is_drawn)
    return rows[balanced(_labels(source)[rows], count, _SEED)], np.flatnonzero(~is_drawn)


def _labels(source: Source) -> np.ndarray:
    labels = labels_of(source)
    return np.zeros(len(source), int) if labels is None else labels


def _shuffled(count: int, seed: int) -> np.ndarray:
    return np.argsort(np.random.Philox(seed).random_raw(count), kind="stable")
