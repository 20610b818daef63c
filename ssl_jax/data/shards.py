"""Opens tar shards in WebDataset's layout as a dataset: any number of images, in random order.

`wds:/path` is a folder with `.tar` files, also in sub-folders; or one such file; or a range of
them as WebDataset writes it, such as `wds:/path/train-{000000..000099}.tar`. tar_samples.py has the
rules for what is in a shard. Compressed shards are not read.

A shard's split is the first of the words train, test, val, validation and valid in its path inside
the folder, as in `train/0001.tar` or `images-val-0001.tar`. The shards that say train are the
training split; if none does, those that say nothing are. The test split is the first of test, val,
validation and valid that some shard says. The shards of other splits are ignored. If no shard is
left for training, all are. shard_rules.py has the rules for labels and for a missing test split.

The images are indexed once (shard_index.py), and then read one by one. Neither the order of the
images nor a process's memory depends on how the shards are listed or how many images they hold.
"""

import functools
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ssl_jax.data import contents, depth, formats, memory, tree
from ssl_jax.data.choices import NOT_KEPT, Choices, choose
from ssl_jax.data.dataset import Chain, Dataset, Source
from ssl_jax.data.files import Encoded, Unreadable
from ssl_jax.data.folder import TEST_NAMES
from ssl_jax.data.frame import Frame
from ssl_jax.data.options import Options
from ssl_jax.data.shard_index import Shard, open_index, shard_at
from ssl_jax.data.tar_samples import BLOCK, member_name
from ssl_jax.data.tree import listing, printable
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

_ENDING = ".tar"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 1_000_000
_KEPT_OPEN = 64
_HEADERS = 1000  # that decide about the size and the channels
_SHOWN = 6  # shards in a note


class Store:
    """Reads images of shards; several threads may, and few shards are open at a time.

    Args:
      shards: the records' `shard` counts them.
    """

    def __init__(self, shards: Sequence[Shard]):
        self.shards = shards
        self._opened = functools.lru_cache(_KEPT_OPEN)(lambda number: _Opened(shards[number]))

    def read(self, record: np.void) -> bytes:
        """Returns the file of an image.

        Raises:
          InputError: the shard has changed since it was indexed.
          OSError: it cannot be read.
        """
        opened = self._opened(int(record["shard"]))
        return os.pread(opened.descriptor, int(record["size"]), int(record["offset"]))

    def name(self, record: np.void) -> str:
        """Returns what to call an image: the path of its shard and its name inside."""
        path = self.shards[record["shard"]].path
        start = int(record["offset"]) - BLOCK * int(record["blocks"])
        try:
            return f"{path}:{member_name(path, start)}"
        except Exception:  # as in tar_samples.py, if the disk is at fault
            return f"{path}:byte {start}"


class _Opened:
    """An open shard; it is closed once no thread uses it."""

    def __init__(self, shard: Shard):
        if shard_at(shard.path) != shard:
            raise InputError(
                f"{shard.path}: has changed since it was indexed; expected the same file until the "
                "end of a run"
            )
        self.descriptor = os.open(shard.path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class Members(Encoded):
    """Images in shards, decoded on access.

    Args:
      records: shard_index.RECORD [n].
      labeled: whether the records have labels.
      store: reads them.
      frame: see `Encoded`, like the last argument.
    """

    def __init__(
        self,
        records: np.ndarray,
        labeled: bool,
        store: Store,
        frame: Frame,
        unreadable: Unreadable,
    ):
        super().__init__(np.asarray(records["label"]) if labeled else None, frame, unreadable)
        self.records = records
        self.store = store

    def __len__(self) -> int:
        return len(self.records)

    def path(self, index: int) -> str:
        """Returns the path of the shard and the name of the image inside."""
        return self.store.name(self.records[index])

    def file(self, index: int) -> IO[bytes]:
        """Returns the image file; see `Store.read`."""
        return io.BytesIO(self.store.read(self.records[index]))


def open_shards(options: Options) -> Dataset:
    """Opens `wds:/path` by the rules at the top of this file.

    Raises:
      InputError: the path is missing, there is no shard, one is not a plain tar file, or the shards
        hold too few readable images.
    """
    formats.prepare()
    name, unreadable = options.name, Unreadable(options.name, options.max_unreadable)
    root, paths, left_out = _listed(name)
    left_out_note = tree.note(left_out, (_ENDING,))
    if not paths:
        told = "; ".join(filter(None, [f"{name!r} holds no shard", left_out_note]))
        raise InputError(f"data.name: {told}")
    train_paths, test_paths, notes = _by_split(root, paths)
    shards = list(map(shard_at, [*train_paths, *test_paths]))
    index = open_index(name, shards[: len(train_paths)], shards[len(train_paths) :])
    store = Store(shards)
    frame, facts, chosen_notes = _choices(options, index.records, store, unreadable)
    notes += [*filter(None, [left_out_note]), *index.notes, *chosen_notes]
    fits = memory.fits(len(index.records), frame, options.cache_mib)

    def source(records: np.ndarray, labeled: bool) -> Source | None:
        """Returns images, or None if there are none."""
        members = Members(records, labeled, store, frame, unreadable)
        if fits:
            return memory.read_all(members.read, len(members), "decoding images")
        return members if len(members) else None

    unlabeled_records, train_records, test_records = index.splits
    labeled = index.label_names is not None
    train, test = source(train_records, labeled), source(test_records, labeled)
    if train is None or test is None:
        raise _too_few(unreadable)
    unlabeled = source(unlabeled_records, False)
    if not fits:
        notes.append(NOT_KEPT)
        unreadable.log = True
    return Dataset(
        pretrain=train if unlabeled is None else Chain(unlabeled, train),
        train=train,
        test=test,
        label_names=index.label_names and tuple(map(printable, index.label_names)),
        facts=facts,
        notes=tuple(notes),
        unreadable=unreadable.reasons,
        contents=contents.of_files(
            root, [os.path.relpath(path, root) for path in (*train_paths, *test_paths)], "shards"
        ),
    )


def _listed(name: str) -> tuple[Path, list[Path], Counter[str]]:
    """Returns the folder and the shards that a name stands for, and what else is there.

    Raises:
      InputError: something does not exist.
    """
    given = name.removeprefix("wds:")
    if not given:
        raise InputError(f"data.name: {name!r} names no shards; expected wds:/path")
    path = expanded(given)
    if path.is_dir():
        found = listing(path, (_ENDING,))
        return path, [path / inside for inside in found.paths], found.left_out
    paths = list(map(Path, _written_out(str(path), name)))
    if missing := [path for path in paths if not path.exists()]:
        of_range = f": {len(missing)} of {len(paths)} shards are missing, such as {missing[0]}"
        raise InputError(
            f"data.name: {name!r} does not exist{of_range if len(paths) > 1 else ''}; expected a "
            "folder of .tar files, one of them or a range of them"
        )
    return Path(os.path.dirname(str(path).partition("{")[0])), paths, Counter()


def _written_out(pattern: str, name: str) -> list[str]:
    """Writes out the ranges in a pattern.

    Raises:
      InputError: they stand for more shards than anyone has.
    """
    match = _RANGE.search(pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    padded = any(len(bound) > 1 and bound.startswith("0") for bound in (first, last))
    width = max(len(first), len(last)) if padded else 1
    rest = _written_out(pattern[match.end() :], name)
    numbers = range(int(first), int(last) + 1)
    if len(numbers) * len(rest) > _MOST_SHARDS:
        raise InputError(
            f"data.name: {name!r} stands for {len(numbers) * len(rest):,} shards; expected at most "
            f"{_MOST_SHARDS:,}"
        )
    return [f"{pattern[: match.start()]}{i:0{width}}{tail}" for i in numbers for tail in rest]


def _by_split(root: Path, paths: list[Path]) -> tuple[list[Path], list[Path], list[str]]:
    """Returns the shards for training and for testing, and notes for the user."""
    said: dict[str, list[Path]] = {}
    for path in paths:
        words = re.findall("[a-z]+", str(path.relative_to(root).with_suffix("")).lower())
        split = next((word for word in words if word in ("train", *TEST_NAMES)), "")
        said.setdefault(split, []).append(path)
    train = said.get("train", said.get(""))
    if train is None:
        return paths, [], []
    test = next((said[word] for word in TEST_NAMES if word in said), [])
    others = sorted({*paths} - {*train} - {*test})
    shown = ", ".join(printable(str(path.relative_to(root))) for path in others[:_SHOWN])
    more = ", ..." if len(others) > _SHOWN else ""
    return train, test, [f"ignored, outside the splits: {shown}{more}"] if others else []


def _choices(
    options: Options, records: np.ndarray, store: Store, unreadable: Unreadable
) -> Choices:
    """Chooses size, channels and range of values from evenly spaced images."""
    any_frame = Frame(options.image_size or 1, 1)
    members = Members(records, False, store, any_frame, unreadable)
    rows = np.unique(np.linspace(0, len(records) - 1, _HEADERS).astype(int)).tolist()
    found = memory.each(members.header, rows, "checking images")
    headers = [header for header in found if header is not None]
    if not headers:
        raise _too_few(unreadable)
    return choose(options, headers, functools.partial(depth.measure, len(records), members.file))


def _too_few(unreadable: Unreadable) -> InputError:
    return InputError(
        f"data.name: {unreadable.name!r} holds too few readable images to train and test on; "
        f"expected at least 2 besides the {len(unreadable.reasons)} unreadable ones"
    )
