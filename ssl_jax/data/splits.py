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
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssl_jax.data.files import Header
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError


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
    notes: list[str] = []
    unlabeled: list[Picture] = []
    known = _labels(train)
    has_labels = len(known) > 1
    if has_labels:
        unlabeled = [picture for picture in train if picture.label is None]
        without_label = sum(picture.label is None for picture in test)
        test_only = _labels(test) - known
        train = [picture for picture in train if picture.label is not None]
        test = [picture for picture in test if picture.label in known]
        if unlabeled:
            notes.append(f"{len(unlabeled)} images without a label are used for pretraining only")
        if without_label:
            notes.append(f"{without_label} test images without a label are left out")
        if test_only:
            shown = ", ".join(map(printable, sorted(test_only)))
            notes.append(f"test images of labels without training images are left out: {shown}")
    elif known or _labels(test):
        notes.append("no labels: they need at least two folders of training images")
    names = tuple(sorted(known)) if has_labels else None
    if not test:
        if len(train) < 2:
            raise InputError(
                f"data.name: {name!r} holds too few readable images to train and test on; "
                f"expected at least 2, found {len(train)}"
            )
        train, test = _split_by_hash(train)
        total = len(train) + len(test)
        notes.append(f"no test images given: {len(test)} of {total} images are held out by name")
    return Splits(unlabeled, train, test, names, tuple(notes))


def _labels(pictures: list[Picture]) -> set[str]:
    return {picture.label for picture in pictures if picture.label is not None}


def _split_by_hash(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Splits two or more images, about nine to one; neither part is empty."""

    def digest(picture: Picture) -> bytes:
        return hashlib.sha256(os.fsencode(str(picture.inside))).digest()

    def is_test(picture: Picture) -> bool:
        return int.from_bytes(digest(picture)[:8], "big") % 10 == 0

    train = [picture for picture in pictures if not is_test(picture)]
    test = [picture for picture in pictures if is_test(picture)]
    for part, other in ((train, test), (test, train)):
        if not part:
            part.append(min(other, key=digest))
            other.remove(part[0])
    return train, test
