"""Decides which images of a folder are trained and tested on, and with which labels.

- An image's label is the first folder on its path inside its split. Label names are numbered in
  sorted order. If the training images have fewer than two label folders, there are no labels.
- Training images outside the label folders are only used for pretraining. Test images outside the
  label folders of the training images are left out, since they cannot be scored.
- The test split is the first of several that has a test image left, if there are labels, or any
  image, if there are none.
- If no test image is left, one in ten training images becomes a test image. A hash of the path
  inside the split decides which, so adding files never moves others.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssl_jax.data.files import Header
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError

ONE_IN = 10


class Picture(NamedTuple):
    """A readable image file: its path, its path inside its split, and its header."""

    path: Path
    inside: PurePosixPath
    header: Header

    @property
    def label(self) -> str | None:
        """The first folder on the path inside the split, or None."""
        return self.inside.parts[0] if len(self.inside.parts) > 1 else None


class Splits(NamedTuple):
    """The images of each split, the label names or None, and notes for the user.

    `unlabelled` images are only used for pretraining.
    """

    unlabelled: list[Picture]
    train: list[Picture]
    test: list[Picture]
    label_names: tuple[str, ...] | None
    notes: tuple[str, ...]


def choose_test(
    train: list[Picture], folders: Sequence[Path], read: Callable[[Path], list[Picture]]
) -> tuple[list[Picture], list[str]]:
    """Chooses the test split by the rules at the top of this file.

    Args:
      train: the images of the training split.
      folders: possible test splits, most preferred first.
      read: returns the images of one.

    Returns:
      The images, none if no split can be used; and notes for the user on the folders that are not
      used.
    """
    known = _labels(train)
    notes: list[str] = []
    chosen: list[Picture] = []
    for folder in folders:
        name = printable(folder.name)
        pictures = [] if chosen else read(folder)
        if chosen:
            notes.append(f"ignored, outside the splits: {name}")
        elif len(known) < 2 or known & _labels(pictures):
            chosen = pictures
        elif pictures:
            notes.append(f"{name} is not used: none of its images has a training label")
    return chosen, notes


def divide(train: list[Picture], test: list[Picture], name: str) -> Splits:
    """Applies the rules at the top of this file.

    Args:
      train: the images of the training split.
      test: the images of the test split; may be empty.
      name: the name of the data, for the error message.

    Raises:
      InputError: there are no test images, and too few training images to split.
    """
    names, notes = label_names(_counted(train), _counted(test), "folders of training images")
    unlabeled: list[Picture] = []
    if names is not None:
        unlabeled = [picture for picture in train if picture.label is None]
        train = [picture for picture in train if picture.label is not None]
        test = [picture for picture in test if picture.label in names]
    if not test:
        check_enough(len(train), name)
        train, test = _split_by_hash(train)
        notes.append(held_out_note(len(test), len(train) + len(test)))
    return Splits(unlabeled, train, test, names, tuple(notes))


def label_names(
    train: Counter[str | None], test: Counter[str | None], source: str
) -> tuple[tuple[str, ...] | None, list[str]]:
    """Applies the rules for labels.

    Args:
      train: how many training images have each label, and how many have none.
      test: the same for the test images.
      source: what two labels need, in the plural, for a note.

    Returns:
      The label names in sorted order, or None if there are no labels, and notes for the user.
    """
    known = {label for label in train if label is not None}
    tested = {label for label in test if label is not None}
    if len(known) < 2:
        notes = [f"no labels: they need at least two {source}"] if known or tested else []
        return None, notes
    notes = []
    if train[None]:
        notes.append(f"{train[None]} images without a label are used for pretraining only")
    if test[None]:
        notes.append(f"{test[None]} test images without a label are left out")
    if test_only := sorted(tested - known):
        shown = ", ".join(map(printable, test_only))
        notes.append(f"test images of labels without training images are left out: {shown}")
    return tuple(sorted(known)), notes


def check_enough(count: int, name: str, notes: Sequence[str] = ()) -> None:
    """Checks that images without a test split can be split.

    Args:
      count: of the images.
      name: of the data, for the error message.
      notes: of what was left out, for the error message.

    Raises:
      InputError: there are fewer than two.
    """
    if count < 2:
        raise InputError(
            f"data.name: {name!r} holds too few readable images to train and test on; "
            f"expected at least 2, found {'; '.join([str(count), *notes])}"
        )


def held_out_note(count: int, total: int) -> str:
    """Returns the note on test images that a hash has chosen."""
    return f"no test images given: {count} of {total} images are held out by name"


def hashed(name: str) -> int:
    """Returns 64 bits that a name determines; images with a multiple of ``ONE_IN`` are tested."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big")


def _counted(pictures: Iterable[Picture]) -> Counter[str | None]:
    return Counter(picture.label for picture in pictures)


def _labels(pictures: list[Picture]) -> set[str]:
    return {picture.label for picture in pictures if picture.label is not None}


def _split_by_hash(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Splits two or more images, about nine to one; neither part is empty."""

    def number(picture: Picture) -> int:
        return hashed(str(picture.inside))

    train = [picture for picture in pictures if number(picture) % ONE_IN]
    test = [picture for picture in pictures if number(picture) % ONE_IN == 0]
    for part, other in ((train, test), (test, train)):
        if not part:
            part.append(min(other, key=number))
            other.remove(part[0])
    return train, test
