"""Decides which images of tar shards are trained and tested on, and with which labels.

The rules are those of splits.py, with the key of a sample in place of the path of a file. They are
applied to one shard at a time, so that only counts are kept of data of any size.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssl_jax.data.formats import ENDINGS
from ssl_jax.data.splits import ONE_IN, check_enough, held_out_note, label_names
from ssl_jax.data.tar_samples import Samples
from ssl_jax.data.tree import most_common, printable
from ssl_jax.errors import InputError

UNLABELED, TRAIN, TEST, LEFT_OUT = range(4)
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_CUT_SHOWN = 3


class Rules(NamedTuple):
    """How the images of a data set are divided.

    Attributes:
      numbers: of the labels, by name, in increasing order; None without labels.
      by_key: whether a hash of the keys chooses test images among the training images.
      moved: shard and row of a training image to which the opposite of the hash applies, or None.
      counts: of images that are unlabeled, for training and for testing.
      notes: for the user.
    """

    numbers: dict[str, int] | None
    by_key: bool
    moved: tuple[int, int] | None
    counts: tuple[int, int, int]
    notes: list[str]

    def splits_of(self, shard: int, samples: Samples, *, is_test: bool) -> np.ndarray:
        """Returns the split of each sample of a shard, int [n]."""
        belongs = (self.labels_of(samples) >= 0) | (self.numbers is None)
        if is_test:
            return np.where(belongs, TEST, LEFT_OUT)
        held_out = _is_held_out(samples.records["key"]) & self.by_key
        if self.moved is not None and self.moved[0] == shard:
            held_out[self.moved[1]] ^= True
        return np.where(belongs, np.where(held_out, TEST, TRAIN), UNLABELED)

    def labels_of(self, samples: Samples) -> np.ndarray:
        """Returns the number of each sample's label, int32 [n]; -1 stands for no label."""
        numbers = self.numbers or {}
        number_of = [*(numbers.get(label, -1) for label in samples.labels), -1]
        return np.array(number_of, np.int32)[samples.records["label"]]


class Tally:
    """Counts what decides about the rules, one shard after the other."""

    def __init__(self) -> None:
        self._labels: dict[bool, Counter[str | None]] = {False: Counter(), True: Counter()}
        self._all, self._labeled = _Draw(), _Draw()
        self._without_image: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()
        self._cut: list[str] = []

    def add(self, shard: int, path: Path, samples: Samples, *, is_test: bool) -> None:
        """Adds a shard: its number, its path, its samples and whether it is of the test split."""
        numbers = samples.records["label"]
        counts = np.bincount(numbers + 1, minlength=len(samples.labels) + 1).tolist()
        self._labels[is_test].update(dict(zip((None, *samples.labels), counts, strict=True)))
        if not is_test:
            rows = np.arange(len(numbers))
            self._all.add(shard, samples.records["key"], rows)
            self._labeled.add(shard, samples.records["key"], rows[numbers >= 0])
        self._without_image += samples.without_image
        self._unused += samples.unused
        if samples.cut_at is not None:
            self._cut.append(f"{printable(str(path))} at byte {samples.cut_at:,}")

    def rules(self, name: str) -> Rules:
        """Returns the rules for the shards that were added.

        Args:
          name: of the data, for messages.

        Raises:
          InputError: there are too few images.
        """
        train, test = +self._labels[False], +self._labels[True]
        notes = self._notes()
        if not train:
            raise InputError(
                f"data.name: {name!r} holds no image to train on; expected members ending in "
                f"{', '.join(ENDINGS)}{'; '.join(['', *notes])}"
            )
        names, label_notes = label_names(train, test, "labels of training images")
        has_labels = names is not None
        draw = self._labeled if has_labels else self._all
        unlabeled = train[None] if has_labels else 0
        tested = sum(test[label] for label in names) if names else test.total()
        notes += label_notes
        if not tested:
            check_enough(draw.total, name, notes)
            notes.append(held_out_note(draw.held_out, draw.total))
        numbers = {label: i for i, label in enumerate(_ordered(names))} if names else None
        counts = (unlabeled, draw.total - (0 if tested else draw.held_out), tested or draw.held_out)
        return Rules(numbers, not tested, None if tested else draw.moved, counts, notes)

    def _notes(self) -> list[str]:
        """Returns notes on what is not used."""
        notes = []
        if self._without_image:
            total, kinds = self._without_image.total(), most_common(self._without_image)
            notes.append(f"{total:,} samples have no image ({kinds})")
        if self._unused:
            total, kinds = self._unused.total(), most_common(self._unused)
            notes.append(f"{total:,} members of shards are not used ({kinds})")
        if self._cut:
            more = ", ..." if len(self._cut) > _CUT_SHOWN else ""
            notes.append(
                f"{len(self._cut)} shards are cut or damaged, and used up to there: "
                f"{', '.join(self._cut[:_CUT_SHOWN])}{more}"
            )
        return notes


class _Draw:
    """Images among which a hash of their keys chooses those for testing."""

    def __init__(self) -> None:
        self.total = 0
        self._hashed = 0
        self._least: tuple[int, int, int] | None = None  # key, shard and row

    def add(self, shard: int, keys: np.ndarray, rows: np.ndarray) -> None:
        """Adds the images in some rows of a shard."""
        if not len(rows):
            return
        self.total += len(rows)
        self._hashed += int(_is_held_out(keys[rows]).sum())
        row = int(rows[keys[rows].argmin()])
        least = (int(keys[row]), shard, row)
        self._least = min(self._least or least, least)

    @property
    def moved(self) -> tuple[int, int] | None:
        """Shard and row of the image that changes sides, if one side would be empty."""
        if self._least is None or 0 < self._hashed < self.total:
            return None
        return self._least[1:]

    @property
    def held_out(self) -> int:
        """How many images are for testing."""
        return min(max(self._hashed, 1), self.total - 1)


def _is_held_out(keys: np.ndarray) -> np.ndarray:
    return keys % ONE_IN == 0


def _ordered(names: tuple[str, ...]) -> list[str]:
    """Returns label names in the order of their numbers if all are numbers, else as they are."""
    if all(map(_NUMBER.fullmatch, names)):
        return sorted(names, key=int)
    return list(names)
