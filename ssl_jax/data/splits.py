"""Which pictures of a folder are trained on, which are tested, and with which labels.

- A picture's label is the first folder on its path inside its split, sorted names are numbered.
  With fewer than two label folders in the training images there are no labels.
- Training pictures that lie beside the label folders are only pretrained on; such test pictures
  are left out.
- If no test picture is left, one in ten training pictures is the test set: by a hash of the path
  inside the split, so that adding files never moves others.
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ssl_jax.data.files import Header
from ssl_jax.errors import InputError


class Picture(NamedTuple):
    """A readable picture file: where it is, its path inside its split, and what its header says."""

    path: Path
    inside: PurePosixPath
    header: Header

    @property
    def label(self) -> str | None:
        """The first folder on the path inside the split, or None."""
        return self.inside.parts[0] if len(self.inside.parts) > 1 else None


class Splits(NamedTuple):
    """Which pictures are for what, the label names or None, and lines to tell the user."""

    unlabelled: list[Picture]
    train: list[Picture]
    test: list[Picture]
    label_names: tuple[str, ...] | None
    notes: tuple[str, ...]


def divide(train: list[Picture], test: list[Picture], name: str) -> Splits:
    """Applies the rules at the top of this file.

    Args:
      train: the pictures of the training split.
      test: the pictures of the test split; may be empty.
      name: the data's name, for the message.

    Raises:
      InputError: there is no picture left for one of train and test.
    """
    notes: list[str] = []
    unlabelled: list[Picture] = []
    known = _labels(train)
    labelled = len(known) > 1
    if labelled:
        unlabelled = [picture for picture in train if picture.label is None]
        stray = [picture for picture in test if picture.label is None]
        train = [picture for picture in train if picture.label is not None]
        test = [picture for picture in test if picture.label is not None]
        if unlabelled:
            notes.append(f"{len(unlabelled)} images without a label are only pretrained on")
        if stray:
            notes.append(f"{len(stray)} test images without a label are left out")
        if new := sorted(_labels(test) - known):
            notes.append(f"labels of test images only: {', '.join(map(printable, new))}")
    elif known or _labels(test):
        notes.append("no labels: they need two folders or more among the training images")
    names = tuple(sorted(known | _labels(test))) if labelled else None
    if not test:
        if len(train) < 2:
            raise InputError(
                f"data.name: {name!r} holds {len(train)} readable image to train and test on; "
                "expected at least 2"
            )
        train, test = _split_by_hash(train)
        notes.append(f"no test images given: {len(test)} of {len(train) + len(test)} are, by name")
    return Splits(unlabelled, train, test, names, tuple(notes))


def printable(name: str) -> str:
    """A file's name as text that can be printed and stored, whatever its bytes."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _labels(pictures: list[Picture]) -> set[str]:
    return {picture.label for picture in pictures if picture.label is not None}


def _split_by_hash(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Splits two pictures or more, nine to one; neither part is empty."""

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
