"""Opens data sets of images through Hugging Face's `datasets` library.

hub.py has the names and loads the splits. columns.py finds the images and the labels.

- The split `train` is for training. The test split is the first of `test`, `validation`, `valid`
  and `val` that has images, and labels if the training images have them. If there is none, every
  tenth training image is for testing.
- Training images without a label are used for pretraining only. Test images without one are left
  out.
- If there is a split `unlabeled`, `unlabelled` or `unsupervised`, pretraining uses it instead of
  the labeled images.
"""

import contextlib
import functools
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from ssl_jax.data import columns, depth, formats, hub, memory
from ssl_jax.data.choices import Choices, choose
from ssl_jax.data.contents import Contents, of_files
from ssl_jax.data.dataset import Chain, Dataset, Source
from ssl_jax.data.files import Header, Unreadable, read_header
from ssl_jax.data.options import Options
from ssl_jax.data.rows import Images, Part, Rows
from ssl_jax.data.tree import hidden
from ssl_jax.errors import InputError

_TEST = ("test", "validation", "valid", "val")
_UNLABELED = ("unlabeled", "unlabelled", "unsupervised")
_SAMPLE = 100  # images that the size and the channels are chosen from


class Division(NamedTuple):
    """What is trained and tested on, the label names or None, and notes for the user.

    `unlabeled` is only used for pretraining.
    """

    train: Part
    test: Part
    unlabeled: list[Part]
    label_names: tuple[str, ...] | None
    notes: tuple[str, ...]


def open_huggingface(options: Options) -> Dataset:
    """Opens `hf:` data by the rules at the top of this file.

    Raises:
      InputError: the data cannot be loaded, has no training images, or has more than
        `max_unreadable` that cannot be decoded.
    """
    formats.prepare()
    splits, folders = hub.load(options, functools.partial(columns.find, options=options))
    if not len(splits.get("train", ())):
        raise InputError(
            f"data.name: {options.name!r} has the splits {', '.join(splits)}; expected 'train' "
            "among them"
        )
    found = columns.find(splits["train"].features, options)
    splits = {name: part for name, part in splits.items() if found.image in part.column_names}
    division = divide(splits, found.label, options.name)
    images = Images(splits, found.image, folders)
    frame, facts, chosen_notes = _choices(options, images, division.train)
    unreadable = Unreadable(options.name, options.max_unreadable)
    notes = [*division.notes, *chosen_notes]

    def source(part: Part, what: str) -> Source:
        rows = Rows(images, part, frame, unreadable)
        if not memory.fits(len(rows), frame, options.cache_mib):
            notes.append(
                f"{what} images are decoded on every read: they do not fit in data.cache_mib"
            )
            return rows
        arrays = rows.in_memory(f"decoding {what} images")
        if arrays is None:
            raise InputError(
                f"data.name: {options.name!r} has no {what} image that can be decoded; expected at "
                f"least one of {len(rows)}"
            )
        return arrays

    train, test = source(division.train, "training"), source(division.test, "test")
    pretrain = [source(part, "unlabeled") for part in division.unlabeled]
    if not any(part.split in _UNLABELED for part in division.unlabeled):
        pretrain.append(train)
    unreadable.log = True
    return Dataset(
        pretrain=pretrain[0] if len(pretrain) == 1 else Chain(*pretrain),
        train=train,
        test=test,
        label_names=division.label_names,
        facts=facts,
        notes=tuple(notes),
        unreadable=unreadable.reasons,
        contents=_contents(options.name),
    )


def _contents(name: str) -> Contents | None:
    """Returns the contents of a folder; None for data of the Hub, which `datasets` has copied."""
    folder = hub.local_folder(name)
    if folder is None:
        return None
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    paths = [path.as_posix() for path in found if not any(map(hidden, path.parts))]
    return of_files(folder, sorted(paths), "files")


def divide(splits: Mapping[str, Any], label: str | None, name: str) -> Division:
    """Applies the rules at the top of this file.

    Args:
      splits: a `datasets.Dataset` for each name, `train` among them.
      label: the column of labels, or None.
      name: the name of the data, for error messages.

    Raises:
      InputError: a label is out of range, or there are too few training images to split.
    """
    notes = []
    tests = [split for split in _TEST if len(splits.get(split, ()))]
    names: tuple[str, ...] | None = None
    numbers: dict[str, np.ndarray] = {}
    if label is None:
        notes.append(columns.why_no_labels(splits["train"].features))
    else:
        read = {split: splits[split] for split in ("train", *tests)}
        names, numbers = columns.read_labels(read, label, name)
        if np.all(numbers["train"] < 0):
            notes.append(f"no labels: no training image has one in {label}")
            names, numbers = None, {}

    def usable(split: str) -> Part:
        whole = Part(split, np.arange(len(splits[split])), numbers.get(split))
        return whole if whole.labels is None else whole.at(whole.labels >= 0)

    train = usable("train")
    unlabeled = [
        Part(split, np.arange(len(splits[split])))
        for split in _UNLABELED
        if len(splits.get(split, ()))
    ]
    if loose := len(splits["train"]) - len(train.rows):
        notes.append(f"{loose} images without a label are used for pretraining only")
        unlabeled.append(Part("train", np.flatnonzero(numbers["train"] < 0)))

    test = None
    for part in map(usable, tests):
        if len(part.rows):
            test = part
            break
        notes.append(f"{part.split} images have no labels: they are not used")
    if test is None:
        if len(train.rows) < 2:
            raise InputError(
                f"data.name: {name!r} has too few images to train and test on; expected at least "
                f"2, found {len(train.rows)}"
            )
        notes.append("no test split: every tenth training image is used for testing")
        tenth = np.arange(len(train.rows)) % 10 == 0
        train, test = train.at(~tenth), train.at(tenth)
    elif left_out := len(splits[test.split]) - len(test.rows):
        notes.append(f"{left_out} test images without a label are left out")
    return Division(train, test, unlabeled, names, tuple(notes))


def _choices(options: Options, images: Images, part: Part) -> Choices:
    """Chooses size, channels and range of values from a sample of the images."""

    def file(index: int) -> str | IO[bytes]:
        return images.file(part.split, int(part.rows[index]))

    headers: list[Header] = []
    for index in np.unique(np.linspace(0, len(part.rows) - 1, _SAMPLE).astype(int)).tolist():
        with contextlib.suppress(Exception):  # Pillow raises exceptions of almost any type
            headers.append(read_header(file(index)))
    if not headers:
        raise InputError(
            f"data.name: {options.name!r} has no training image that can be decoded; expected at "
            "least one"
        )
    return choose(options, headers, functools.partial(depth.measure, len(part.rows), file))
