"""STL-10, from the binary files that its authors publish.

A picture is 96 x 96 pixels: the red plane, column by column, then the green and the blue one. Its
label is in another file and counts from 1. There are 100,000 pictures without labels to pretrain
on, 5,000 to fit probes on and 8,000 to test on.

The pictures stay in their files, 3 GB in all, and are read when they are needed; pictures that
have to be resized are kept in memory if they fit in `data.cache_mib`.

https://cs.stanford.edu/~acoates/stl10/
"""

from pathlib import Path
from typing import Any

import numpy as np

from ssl_jax.data import published
from ssl_jax.data.arrays import conform
from ssl_jax.data.dataset import Arrays, Dataset, Example, Source
from ssl_jax.data.options import Options
from ssl_jax.data.published import Archive

_SIDE, _CHANNELS = 96, 3
_PIXELS = _CHANNELS * _SIDE**2

# Size and SHA-256 are those in TFDS's datasets/stl10/checksums.tsv.
STL10 = Archive(
    url="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    size=2_640_397_119,
    sha256="f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
    folder="stl10_binary",
    names="class_names.txt",
    files={
        "unlabeled_X.bin": 100_000 * _PIXELS,
        "train_X.bin": 5_000 * _PIXELS,
        "train_y.bin": 5_000,
        "test_X.bin": 8_000 * _PIXELS,
        "test_y.bin": 8_000,
    },
)


class Views(Arrays):
    """Arrays whose axes are in another order than in memory; batches are copied into order."""

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        return {name: np.ascontiguousarray(x) for name, x in super().take(indices).items()}


def open_stl10(options: Options, archive: Archive) -> Dataset:
    """Opens STL-10 by the rules at the top of this file.

    Raises:
      InputError: the files are not there and cannot be downloaded, or they are damaged.
    """
    folder = published.find(archive, options)
    names = published.read_names(folder / archive.names)

    def source(split: str, title: str, columns: dict[str, np.ndarray]) -> Source:
        conformed = conform(Views(columns), options, _SIDE, _CHANNELS, title)
        return published.in_order_of_tfds(conformed, split)

    def labeled(split: str, title: str) -> Source:
        path = folder / f"{split}_y.bin"
        labels = published.check_labels(path, np.fromfile(path, np.uint8), names, first=1)
        return source(split, title, {"image": _images(folder, split), "label": labels})

    facts: dict[str, Any] = {
        "modality": "image",
        "image_size": options.image_size or _SIDE,
        "channels": options.channels or _CHANNELS,
    }
    return Dataset(
        pretrain=source("unlabelled", "unlabeled", {"image": _images(folder, "unlabeled")}),
        train=labeled("train", "training"),
        test=labeled("test", "test"),
        label_names=names,
        facts=facts,
    )


def _images(folder: Path, split: str) -> np.ndarray:
    """Returns a view of a file as images, uint8 [n, 96, 96, 3]; nothing is read yet."""
    planes = np.asarray(np.memmap(folder / f"{split}_X.bin", np.uint8, "r"))
    return planes.reshape(-1, _CHANNELS, _SIDE, _SIDE).transpose(0, 3, 2, 1)
