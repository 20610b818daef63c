"""Decides which images of a folder are trained and tested on, and with which labels.

- An image's label is the first folder on its path inside its split. Label names are numbered in
  sorted order. If the training images have fewer than two label folders, there are no labels.
- Training images outside the label folders are only used for pretraining. Test images outside them
  are left out.
- If no test image is left, one in ten training images becomes a test image. A hash of the path
  inside the split decides which, so adding files never moves others.
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssl_jax.data.files import Header
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
        unlabeled_test = [picture for picture in test if picture.label is None]
        train = [picture for picture in train if picture.label is not None]
        test = [picture for picture in test if picture.label is not None]
        if unlabeled:
            notes.append(f"{len(unlabeled)} images without a label are used for pretraining only")
        if unlabeled_test:
            notes.append(f"{len(unlabeled_test)} test images without a label are left out")
        if test_only := sorted(_labels(test) - known):
            notes.append(f"labels without training images: {', '.join(map(printable, test_only))}")
    elif known or _labels(test):
        notes.append("no labels: they need at least two folders of training images")
    names = tuple(sorted(known | _labels(test))) if has_labels else None
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


def printable(name: str) -> str:
    """Returns a file's name as text that can be printed and stored, even if it is not UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")


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
