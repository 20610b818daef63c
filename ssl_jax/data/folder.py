"""Opens a folder of images as a dataset.

Images are files with one of the endings of formats.py; tree.py finds them. Other files are counted,
and a note says how many there are of each kind.

If the folder has a sub-folder `train/`, that is the training split. The test split is then the
first of `test/`, `val/`, `validation/` and `valid/` that can be scored, and everything else in the
folder is ignored. Upper and lower case make no difference. Without `train/`, all images are for
training; so they are if `train/` looks like a class: there is no test split, and images lie right
in it and in other folders beside it. splits.py has the rules for labels and test splits.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ssl_jax.data import depth, formats, memory, pixels, tree
from ssl_jax.data.choices import NOT_KEPT, choose
from ssl_jax.data.contents import Contents
from ssl_jax.data.dataset import Arrays, Chain, Dataset, Source, Subset
from ssl_jax.data.files import Files, Unreadable, headers
from ssl_jax.data.options import Options
from ssl_jax.data.splits import Picture, choose_test, divide
from ssl_jax.data.tree import hidden, listing, printable
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

TEST_NAMES = ("test", "val", "validation", "valid")
_NO_CLASSES = ("train", "test", "val", "label", "mask", "annot", "image", "extra")


def open_folder(options: Options) -> Dataset:
    """Opens `folder:/path` by the rules at the top of this file.

    Raises:
      InputError: the path is missing or is not a folder, or the folder holds too few readable
        images, or more than `max_unreadable` files that cannot be read.
    """
    root = _root(options.name)
    unreadable = Unreadable(options.name, options.max_unreadable)
    train_root, test_roots, notes = _split_roots(root)
    read = partial(pictures_below, unreadable=unreadable)
    train = read(train_root)
    test, test_notes = choose_test(train, test_roots, read)
    notes += test_notes
    if left_out := tree.note(unreadable.left_out, formats.ENDINGS):
        notes.append(left_out + formats.hint(unreadable.left_out))
    dataset = from_pictures(options, train, test, notes, unreadable)
    inside = [picture.path.relative_to(root).as_posix() for picture in (*train, *test)]
    digests = np.array([picture.header.digest for picture in (*train, *test)], np.uint64)
    contents = Contents(inside, digests, "images")
    return dataset._replace(left_out=unreadable.named, contents=contents)


def from_pictures(
    options: Options,
    train: list[Picture],
    test: list[Picture],
    notes: list[str],
    unreadable: Unreadable,
    original: Callable[[Picture], str] | None = None,
) -> Dataset:
    """Builds a dataset from image files, by the rules of splits.py.

    Args:
      options: the options of `config.data`.
      train: the images of the training split.
      test: the images of the test split; may be empty.
      notes: notes for the user, about how the images were found.
      unreadable: where files that cannot be decoded are recorded.
      original: names the original that an image is made from, if several are made from one.

    Raises:
      InputError: as for `open_folder`.
    """
    pictures = [*train, *test]
    _check_any(train, options.name, unreadable)

    deep = [
        str(picture.path) for picture in train or test if picture.header.depth is pixels.Depth.DEEP
    ]
    frame, facts, chosen_notes = choose(
        options,
        [picture.header for picture in pictures],
        partial(depth.measure, len(deep), deep.__getitem__),
    )
    notes = [*notes, *chosen_notes]
    images = None
    if memory.fits(len(pictures), frame, options.cache_mib):
        paths = [picture.path for picture in pictures]
        images = Files(paths, None, frame, unreadable).in_memory("decoding images")
        train, test = (
            [picture for picture in part if picture.path not in unreadable]
            for part in (train, test)
        )
        pictures = [*train, *test]
        _check_any(train, options.name, unreadable)
    else:
        notes.append(NOT_KEPT)
        unreadable.log = True

    splits = divide(train, test, options.name)
    rows = {picture.path: row for row, picture in enumerate(pictures)}
    numbers = {label: number for number, label in enumerate(splits.label_names or ())}
    labels = np.array([numbers.get(picture.label or "", -1) for picture in pictures], np.int32)

    def source(part: list[Picture], with_labels: bool) -> Source:
        part_rows = np.array([rows[picture.path] for picture in part])
        if images is None:
            paths = [picture.path for picture in part]
            part_labels = labels[part_rows] if with_labels else None
            return Files(paths, part_labels, frame, unreadable)
        columns = {**images.columns, "label": labels} if with_labels else images.columns
        return Subset(Arrays(columns), part_rows)

    with_labels = splits.label_names is not None
    train_source = source(splits.train, with_labels)
    pretrain_source: Source = train_source
    if splits.unlabelled:
        pretrain_source = Chain(source(splits.unlabelled, False), train_source)
    return Dataset(
        pretrain=pretrain_source,
        train=train_source,
        test=source(splits.test, with_labels),
        label_names=splits.label_names and tuple(map(printable, splits.label_names)),
        facts=facts,
        notes=(*notes, *splits.notes),
        unreadable=unreadable.reasons,
        origins=original and np.unique(list(map(original, splits.train)), return_inverse=True)[1],
    )


def pictures_below(root: Path, unreadable: Unreadable) -> list[Picture]:
    """Returns the images below a folder whose headers can be read, sorted by relative path."""
    found = listing(root, formats.ENDINGS)
    unreadable.left_out += found.left_out
    unreadable.named |= {printable(str(root / path)): kind for path, kind in found.named.items()}
    paths = [root / path for path in found.paths]
    return [
        Picture(path, PurePosixPath(inside), header)
        for path, inside, header in zip(paths, found.paths, headers(paths, unreadable), strict=True)
        if header is not None
    ]


def _root(name: str) -> Path:
    given = name.removeprefix("folder:")
    if not given:
        raise InputError(f"data.name: {name!r} names no folder; expected folder:/path")
    root = expanded(given)
    if not root.exists():
        raise InputError(f"data.name: {name!r} does not exist; expected a folder of images")
    if not root.is_dir():
        raise InputError(f"data.name: {name!r} is not a folder; expected a folder of images")
    return root


def _split_roots(root: Path) -> tuple[Path, list[Path], list[str]]:
    """Returns the training folder, the folders that may be the test split, and notes."""
    entries = sorted(entry for entry in root.iterdir() if not hidden(entry.name))
    folders = {entry.name.lower(): entry for entry in entries if entry.is_dir()}
    if "train" not in folders:
        return root, [], []
    train = folders["train"]
    tests = [folders[name] for name in TEST_NAMES if name in folders]
    others = [entry for entry in entries if entry != train and entry not in tests]
    if not tests and _holds_images(train) and any(map(_may_be_class, others)):
        return root, [], [f"{train.name} is a class, not the training split: others lie beside it"]
    shown = ", ".join(printable(entry.name) for entry in others)
    return train, tests, [f"ignored, outside the splits: {shown}"] if others else []


def _may_be_class(entry: Path) -> bool:
    """Returns whether images lie right in a folder whose name is not that of some other part."""
    named = any(word in entry.name.lower() for word in _NO_CLASSES)
    return entry.is_dir() and not named and _holds_images(entry)


def _holds_images(folder: Path) -> bool:
    return any(
        path.suffix.lower() in formats.ENDINGS and not hidden(path.name) and path.is_file()
        for path in folder.iterdir()
    )


def _check_any(pictures: list[Picture], name: str, unreadable: Unreadable) -> None:
    if pictures:
        return
    if unreadable.reasons:
        raise InputError(
            f"data.name: {name!r} holds no readable image to train on; "
            f"expected at least one besides the {len(unreadable.reasons)} unreadable files"
        )
    raise InputError(
        f"data.name: {name!r} holds no image to train on; "
        f"expected files ending in {', '.join(formats.ENDINGS)}"
    )
