"""A folder of pictures as a dataset.

Pictures are files ending in png, jpg, jpeg, webp, bmp, gif, tif or tiff; tree.py finds them.

`train/` and the first there is of `test/`, `val/`, `validation/` and `valid/`, in capitals or not,
are the splits; what lies beside them is left out. Without `train/` all pictures are for training.
What becomes of them, and of labels, is in splits.py.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ssl_jax.data import memory
from ssl_jax.data.dataset import Arrays, Chain, Dataset, Source, Subset
from ssl_jax.data.files import Files, Unreadable, headers
from ssl_jax.data.options import Options
from ssl_jax.data.splits import Picture, divide, printable
from ssl_jax.data.tree import files_below, hidden
from ssl_jax.errors import InputError

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_TEST_NAMES = ("test", "val", "validation", "valid")
_MAX_CHOSEN_SIZE = 64
_MIN_CHOSEN_SIZE = 16


def open_folder(options: Options) -> Dataset:
    """Opens `folder:/path` by the rules at the top of this file.

    Raises:
      InputError: the folder is missing, is none, holds no readable picture or too few, or holds
        more than `max_unreadable` files that cannot be read.
    """
    root = _root(options.name)
    unreadable = Unreadable(options.name, options.max_unreadable)
    train_root, test_root, notes = _split_roots(root)
    train = _pictures(train_root, unreadable)
    test = _pictures(test_root, unreadable) if test_root else []
    pictures = [*train, *test]
    _check_any(train, options.name, unreadable)

    size = options.image_size or choose_size([picture.header.shorter for picture in pictures])
    grey = all(picture.header.grey for picture in pictures)
    channels = options.channels or (1 if grey else 3)
    images = None
    if memory.fits(len(pictures), size, channels, options.cache_mib):
        paths = [picture.path for picture in pictures]
        images = Files(paths, None, size, channels, unreadable).in_memory("decoding images")
        train, test = (
            [picture for picture in part if str(picture.path) not in unreadable.paths]
            for part in (train, test)
        )
        pictures = [*train, *test]
        _check_any(train, options.name, unreadable)
    else:
        notes.append("images are decoded as they are read: too many for data.cache_mib")
        unreadable.log = True

    splits = divide(train, test, options.name)
    rows = {picture.path: row for row, picture in enumerate(pictures)}
    numbers = {label: number for number, label in enumerate(splits.label_names or ())}
    every_label = [numbers.get(picture.label or "", -1) for picture in pictures]
    labels = np.array(every_label, np.int32)

    def source(part: list[Picture], labelled: bool) -> Source:
        here = np.array([rows[picture.path] for picture in part])
        if images is None:
            paths = [picture.path for picture in part]
            return Files(paths, labels[here] if labelled else None, size, channels, unreadable)
        columns = {**images.columns, "label": labels} if labelled else images.columns
        return Subset(Arrays(columns), here)

    labelled = splits.label_names is not None
    trained = source(splits.train, labelled)
    return Dataset(
        pretrain=Chain(source(splits.unlabelled, False), trained) if splits.unlabelled else trained,
        train=trained,
        test=source(splits.test, labelled),
        label_names=splits.label_names and tuple(map(printable, splits.label_names)),
        facts={"modality": "image", "image_size": size, "channels": channels},
        notes=(*notes, *splits.notes),
        unreadable=tuple(sorted(map(printable, unreadable.paths))),
    )


def choose_size(shorter_sides: Sequence[int]) -> int:
    """The size images are brought to if none is asked for: their median, within 16 to 64."""
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
    """Where training pictures are, where test pictures are or None, and lines to tell the user."""
    entries = sorted(entry for entry in root.iterdir() if not hidden(entry.name))
    folders = {entry.name.lower(): entry for entry in entries if entry.is_dir()}
    if "train" not in folders:
        return root, None, []
    train = folders["train"]
    test = next((folders[name] for name in _TEST_NAMES if name in folders), None)
    others = [printable(entry.name) for entry in entries if entry not in (train, test)]
    notes = [f"left out, beside the splits: {', '.join(others)}"] if others else []
    return train, test, notes


def _check_any(pictures: list[Picture], name: str, unreadable: Unreadable) -> None:
    if pictures:
        return
    if unreadable.paths:
        raise InputError(
            f"data.name: {name!r} holds no readable image to train on; "
            f"expected some beside the {len(unreadable.paths)} unreadable"
        )
    raise InputError(
        f"data.name: {name!r} holds no image to train on; expected files in {', '.join(_ENDINGS)}"
    )


def _pictures(root: Path, unreadable: Unreadable) -> list[Picture]:
    """All pictures below a folder whose headers can be read, sorted by their path inside it."""
    paths = files_below(root, _ENDINGS)
    return [
        Picture(path, PurePosixPath(path.relative_to(root)), header)
        for path, header in zip(paths, headers(paths, unreadable), strict=True)
        if header is not None
    ]
