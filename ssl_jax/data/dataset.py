"""Data as the library sees it: random-access sources, and the three that a run reads."""

import functools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np

from ssl_jax.data.contents import Contents

Example = dict[str, np.ndarray]


class Source(Protocol):
    """A random-access source of examples; grain reads the same interface.

    An image is `{"image": uint8 [h, w, c], "label": int32 []}`, without `label` if the data has
    none. A clip is `{"video": uint8 [f, h, w, c], ...}`, a text is `{"tokens": int32 [t], ...}`.

    Two members are optional. `take(indices) -> {name: [n, ...]}` reads many examples at once.
    `labels`, int32 [n], gives the labels without reading the examples.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


class Dataset(NamedTuple):
    """Everything a run reads, with all examples brought to one shape.

    Attributes:
      pretrain: what the method trains on; its labels, if any, are ignored.
      train: what probes are fitted on.
      test: what probes are scored on.
      label_names: one name per label id, or None for data without labels.
      facts: what loading resolved, to be stored in `config.data`. All data: `modality`, which is
        "image", "video" or "text". Images: `image_size`, `channels`, and `mean` and `std` (one
        number per channel, of pixels in [0, 1]). Video: the same and `frames`. Text: `vocabulary`,
        the size of the tokenizer, and `tokens`, the length of a window.
      notes: lines to show the user: what was chosen and what was left out.
      unreadable: files that were skipped because they cannot be read, each with the reason. Files
        that are decoded on every read can be added while the data is read.
      left_out: files that were left out because of their kind, each with the kind; at most 1,000 of
        a kind.
      further_labels: other label columns that probes are scored on, each with its label names.
      assets: text files, by name, that are stored in a run's folder beside config.json.
      origins: the original that each training example is made from, int [n], if several are made
        from one, such as overlapping tiles of a photograph; `data.holdout` keeps them together.
      contents: tells whether the data change while a run is interrupted; None if they cannot.
    """

    pretrain: Source
    train: Source
    test: Source
    label_names: tuple[str, ...] | None
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = {}
    left_out: Mapping[str, str] = {}
    further_labels: Mapping[str, tuple[str, ...]] = {}
    assets: Mapping[str, str] = {}
    origins: np.ndarray | None = None
    contents: Contents | None = None


class Arrays:
    """A source whose examples are the rows of arrays in memory.

    Args:
      columns: `{name: [n, ...]}`, arrays of the same length.
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
    """Several sources joined into one, without their labels."""

    labels = None

    def __init__(self, *parts: Source):
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Example:
        number = int(np.searchsorted(self.ends, index, side="right"))
        part = self.parts[number]
        example = part[index - self.ends[number] + len(part)]
        return {name: value for name, value in example.items() if name != "label"}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        part_of = np.searchsorted(self.ends, indices, side="right")
        batch: dict[str, np.ndarray] = {}
        for number, (part, end) in enumerate(zip(self.parts, self.ends, strict=True)):
            rows = np.flatnonzero(part_of == number)
            if not len(rows):
                continue
            for name, values in gather(part, indices[rows] - end + len(part)).items():
                if name != "label":
                    shape = (len(indices), *values.shape[1:])
                    batch.setdefault(name, np.empty(shape, values.dtype))[rows] = values
        return batch


@functools.cache
def readers() -> ThreadPoolExecutor:
    """Returns the threads that decode examples, one per core; decoders release the GIL."""
    # The affinity respects a container's limit, but not every operating system has it.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return ThreadPoolExecutor(cores, thread_name_prefix="ssl_jax-read")


def gather(source: Source, indices: np.ndarray) -> Example:
    """Reads the examples at `indices`, int [n], as one batch `{name: [n, ...]}`.

    Several threads read a source without `take`. Each example is copied into the batch while the
    threads go on with the next ones.
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
    """Returns a source's labels, int32 [n], or None if only reading the examples reveals them."""
    return getattr(source, "labels", None)
