"""CIFAR-10 and CIFAR-100, from the binary files that their author publishes.

A record is one byte per label and then 32 x 32 pixels: the red plane, row by row, then the green
and the blue one. CIFAR-100 has two labels, of which the second and finer one is read.

https://www.cs.toronto.edu/~kriz/cifar.html
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.data import published, statistics
from ssl_jax.data.arrays import conform
from ssl_jax.data.dataset import Arrays, Dataset, Source
from ssl_jax.data.options import Options
from ssl_jax.data.published import Archive

_SIDE, _CHANNELS = 32, 3
_PIXELS = _CHANNELS * _SIDE**2
_TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


class Layout(NamedTuple):
    """What tells the two apart.

    Attributes:
      archive: what is published.
      train: the files of the training images, in their order.
      test: the file of the test images.
      labels: how many labels a record has; the last one is read.
      statistics: mean and standard deviation per channel.
    """

    archive: Archive
    train: tuple[str, ...]
    test: str
    labels: int
    statistics: tuple[tuple[float, ...], tuple[float, ...]]


# Size and SHA-256 are those in TFDS's url_checksums/.
CIFAR10 = Layout(
    Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        size=170_052_171,
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        folder="cifar-10-batches-bin",
        names="batches.meta.txt",
        files=dict.fromkeys((*_TRAIN_BATCHES, "test_batch.bin"), 10_000 * (1 + _PIXELS)),
    ),
    train=_TRAIN_BATCHES,
    test="test_batch.bin",
    labels=1,
    statistics=statistics.CIFAR10,
)
CIFAR100 = Layout(
    Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        size=168_513_733,
        sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        folder="cifar-100-binary",
        names="fine_label_names.txt",
        files={"train.bin": 50_000 * (2 + _PIXELS), "test.bin": 10_000 * (2 + _PIXELS)},
    ),
    train=("train.bin",),
    test="test.bin",
    labels=2,
    statistics=statistics.CIFAR100,
)


def open_cifar(options: Options, layout: Layout) -> Dataset:
    """Opens the 50,000 training and 10,000 test images; they are kept in memory.

    Raises:
      InputError: the files are not there and cannot be downloaded, or they are damaged.
    """
    folder = published.find(layout.archive, options)
    names = published.read_names(folder / layout.archive.names)

    def source(split: str, title: str, files: tuple[str, ...]) -> Source:
        parts = [_read(folder / file, layout.labels, names) for file in files]
        images, labels = map(np.concatenate, zip(*parts, strict=True))
        columns = {"image": np.ascontiguousarray(images), "label": labels}
        conformed = conform(Arrays(columns), options, _SIDE, _CHANNELS, title)
        return published.in_order_of_tfds(conformed, split)

    train = source("train", "training", layout.train)
    facts: dict[str, Any] = {
        "modality": "image",
        "image_size": options.image_size or _SIDE,
        "channels": options.channels or _CHANNELS,
    }
    if facts["channels"] == _CHANNELS:
        facts["mean"], facts["std"] = layout.statistics
    return Dataset(train, train, source("test", "test", (layout.test,)), names, facts)


def _read(path: Path, labels: int, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Reads a file; returns its images, uint8 [n, 32, 32, 3], and its labels, int32 [n]."""
    records = np.fromfile(path, np.uint8).reshape(-1, labels + _PIXELS)
    planes = records[:, labels:].reshape(-1, _CHANNELS, _SIDE, _SIDE)
    return planes.transpose(0, 2, 3, 1), published.check_labels(path, records[:, labels - 1], names)
