"""What data is to the library: sources with random access, and the three that a run needs."""

import functools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

Example = dict[str, np.ndarray]


class Source(Protocol):
    """A random-access source of examples, which is what grain reads.

    Images are `{"image": uint8 [h, w, c], "label": int32 []}`, the label only where there is one;
    clips are `{"video": uint8 [f, h, w, c], ...}`, text is `{"tokens": int32 [t], ...}`.
    A source that can gather many examples at once has `take(indices) -> {name: [n, ...]}` as well,
    and one that knows its labels without reading the examples has `labels`, int32 [n].
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


class Dataset(NamedTuple):
    """Everything a run reads, with all examples brought to one shape.

    Attributes:
      pretrain: what the method trains on; its labels, if any, are ignored.
      train: what probes are fitted on.
      test: what probes are scored on.
      label_names: the name of each label id, or None for data without labels.
      facts: what loading resolved, for `config.data` to store. `modality`: "image", "video" or
        "text". Images: `image_size`, `channels`, `mean` and `std` (a channel each, of pixels in
        [0, 1]). Video: `frames` too. Text: `vocabulary` and `tokens`, which are as many.
      notes: lines to tell the user: what was chosen and what was left out.
      unreadable: the paths of files that were skipped because they cannot be read.
      further_labels: further columns with labels that probes are scored on, with their names.
      assets: text files, by name, that a run's folder keeps beside config.json.
    """

    pretrain: Source
    train: Source
    test: Source
    label_names: tuple[str, ...] | None
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    further_labels: Mapping[str, tuple[str, ...]] = {}
    assets: Mapping[str, str] = {}


class Arrays:
    """A source whose examples are the rows of arrays in memory.

    Args:
      columns: arrays that share their first axis, `{name: [n, ...]}`.
    """

    def __init__(self, columns: Mapping[str, np.ndarray]):
        self.columns = dict(columns)

    @property
    def labels(self) -> np.ndarray | None:
        """The labels, int32 [n], or None."""
        return self.columns.get("label")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> Example:
        return {name: column[index] for name, column in self.columns.items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        return {name: column[indices] for name, column in self.columns.items()}


class Subset:
    """The examples of another source at the given indices, int [m]."""

    def __init__(self, source: Source, indices: np.ndarray):
        self.source = source
        self.indices = np.asarray(indices)

    @property
    def labels(self) -> np.ndarray | None:
        """The labels, int32 [n], or None."""
        labels = labels_of(self.source)
        return None if labels is None else labels[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.source[self.indices[index]]

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        return gather(self.source, self.indices[indices])


class Chain:
    """Sources one after the other, as one without labels."""

    labels = None

    def __init__(self, *parts: Source):
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Example:
        part = int(np.searchsorted(self.ends, index, side="right"))
        example = self.parts[part][index - self.ends[part] + len(self.parts[part])]
        return {name: value for name, value in example.items() if name != "label"}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        owner = np.searchsorted(self.ends, indices, side="right")
        batch: dict[str, np.ndarray] = {}
        for number, (part, end) in enumerate(zip(self.parts, self.ends, strict=True)):
            rows = np.flatnonzero(owner == number)
            if not len(rows):
                continue
            for name, values in gather(part, indices[rows] - end + len(part)).items():
                if name != "label":
                    whole = (len(indices), *values.shape[1:])
                    batch.setdefault(name, np.empty(whole, values.dtype))[rows] = values
        return batch


@functools.cache
def readers() -> ThreadPoolExecutor:
    """The threads that decode examples, one per core; decoders release the interpreter lock."""
    allowed = getattr(os, "sched_getaffinity", None)  # a container's cores, where it can be asked
    cores = len(allowed(0)) if allowed else os.cpu_count()
    return ThreadPoolExecutor(cores, thread_name_prefix="ssl_jax-read")


def gather(source: Source, indices: np.ndarray) -> Example:
    """Reads the examples at `indices`, int [n], as one batch `{name: [n, ...]}`.

    A source without `take` is read by several threads at once; what is there is copied into the
    batch while they go on.
    """
    take = getattr(source, "take", None)
    if take is not None:
        return take(indices)
    batch: dict[str, np.ndarray] = {}
    for row, example in enumerate(readers().map(source.__getitem__, indices.tolist())):
        for name, value in example.items():
            if row == 0:
                batch[name] = np.empty((len(indices), *np.shape(value)), np.asarray(value).dtype)
            batch[name][row] = value
    return batch


def labels_of(source: Source) -> np.ndarray | None:
    """The labels of a source, int32 [n], or None if it does not know them without reading."""
    return getattr(source, "labels", None)
