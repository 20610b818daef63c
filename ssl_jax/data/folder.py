"""Opens a folder of images as a dataset.

Images are files ending in png, jpg, jpeg, jpe, jfif, webp, bmp, gif, tif, tiff, ppm, pgm or pnm;
tree.py finds them. Other files are counted, and a note says how many there are of each kind.

If the folder has a sub-folder `train/`, that is the training split. The test split is then the
first of `test/`, `val/`, `validation/` and `valid/` that exists, and everything else in the folder
is ignored. Upper and lower case make no difference. Without `train/`, all images are for training.
splits.py has the rules for labels and for a missing test split.
"""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ssl_jax.data import memory
from ssl_jax.data.dataset import Arrays, Chain, Dataset, Source, Subset
from ssl_jax.data.files import Files, Unreadable, headers
from ssl_jax.data.options import Options
from ssl_jax.data.splits import Picture, divide, printable
from ssl_jax.data.tree import hidden, listing
from ssl_jax.errors import InputError

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm"),
)
_TEST_NAMES = ("test", "val", "validation", "valid")
_MAX_CHOSEN_SIZE = 64
_MIN_CHOSEN_SIZE = 16
_KINDS = 6  # of files that are left out, in a note


def open_folder(options: Options) -> Dataset:
    """Opens `folder:/path` by the rules at the top of this file.

    Raises:
      InputError: the path is missing or is not a folder, or the folder holds too few readable
        images, or more than `max_unreadable` files that cannot be read.
    """
    root = _root(options.name)
    unreadable = Unreadable(options.name, options.max_unreadable)
    train_root, test_root, notes = _split_roots(root)
    train = pictures_below(train_root, unreadable)
    test = pictures_below(test_root, unreadable) if test_root else []
    return from_pictures(options, train, test, notes + _left_out(unreadable), unreadable)


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

    size = options.image_size or choose_size([picture.header.shorter for picture in pictures])
    grey = all(picture.header.grey for picture in pictures)
    channels = options.channels or (1 if grey else 3)
    frame = options.frame(size, channels)
    if (typical := np.median([picture.header.shorter for picture in pictures])) < size:
        notes = [
            *notes,
            f"half of the images have a shorter side of {typical:.0f} pixels or less; all are "
            f"enlarged to data.image_size {size}",
        ]
    images = None
    if memory.fits(len(pictures), frame, options.cache_mib):
        paths = [picture.path for picture in pictures]
        images = Files(paths, None, frame, unreadable).in_memory("decoding images")
        train, test = (
            [picture for picture in part if str(picture.path) not in unreadable.paths]
            for part in (train, test)
        )
        pictures = [*train, *test]
        _check_any(train, options.name, unreadable)
    else:
        notes = [*notes, "images are decoded on every read: they do not fit in data.cache_mib"]
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
        facts={"modality": "image", "image_size": size, "channels": channels},
        notes=(*notes, *splits.notes),
        unreadable=tuple(sorted(map(printable, unreadable.paths))),
        origins=original and np.unique(list(map(original, splits.train)), return_inverse=True)[1],
    )


def _left_out(unreadable: Unreadable) -> list[str]:
    """Returns a note on the files whose names are not those of images, most frequent kind first."""
    if not unreadable.left_out:
        return []
    kinds = [f"{printable(kind)}: {n:,}" for kind, n in unreadable.left_out.most_common(_KINDS)]
    more = ", ..." if len(unreadable.left_out) > _KINDS else ""
    return [
        f"{unreadable.left_out.total():,} files are not read ({', '.join(kinds)}{more}); "
        f"expected endings: {', '.join(ENDINGS)}"
    ]


def pictures_below(root: Path, unreadable: Unreadable) -> list[Picture]:
    """Returns the images below a folder whose headers can be read, sorted by relative path."""
    paths, left_out = listing(root, ENDINGS)
    unreadable.left_out += left_out
    return [
        Picture(path, PurePosixPath(path.relative_to(root)), header)
        for path, header in zip(paths, headers(paths, unreadable), strict=True)
        if header is not None
    ]


def choose_size(shorter_sides: Sequence[int]) -> int:
    """Returns the image size to use if the config sets none.

    It is the median of the shorter sides, rounded down to a multiple of 4, from 16 to 64.
    """
    median = min(int(np.median(shorter_sides)), _MAX_CHOSEN_SIZE)
    return max(median // 4 * 4, _MIN_CHOSEN_SIZE)


def _root(name: str) -> Path:
    given = name.removeprefix("folder:")
    if not given:
        raise InputError(f"data.name: {name!r} names no folder; expected folder:/path")
    root = Path(given).expanduser()
    if not root.exists():
        raise InputError(f"data.name: {name!r} does not exist; expected a folder of images")
    if not root.is_dir():
        raise InputError(f"data.name: {name!r} is not a folder; expected a folder of images")
    return root


def _split_roots(root: Path) -> tuple[Path, Path | None, list[str]]:
    """Returns the training folder, the test folder or None, and notes for the user."""
    entries = sorted(entry for entry in root.iterdir() if not hidden(entry.name))
    folders = {entry.name.lower(): entry for entry in entries if entry.is_dir()}
    if "train" not in folders:
        return root, None, []
    train = folders["train"]
    test = next((folders[name] for name in _TEST_NAMES if name in folders), None)
    others = [printable(entry.name) for entry in entries if entry not in (train, test)]
    notes = [f"ignored, outside the splits: {', '.join(others)}"] if others else []
    return train, test, notes


def _check_any(pictures: list[Picture], name: str, unreadable: Unreadable) -> None:
    if pictures:
        return
    if unreadable.paths:
        raise InputError(
            f"data.name: {name!r} holds no readable image to train on; "
            f"expected at least one besides the {len(unreadable.paths)} unreadable files"
        )
    raise InputError(
        f"data.name: {name!r} holds no image to train on; "
        f"expected files ending in {', '.join(ENDINGS)}"
    )
