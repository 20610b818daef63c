"""Fashion-MNIST: a subset bundled with this package, and all of it from Debian or TFDS."""

import importlib.resources
import io
from pathlib import Path
from typing import Any

import numpy as np

from ssl_jax.data import idx, statistics
from ssl_jax.data.arrays import conform
from ssl_jax.data.dataset import Arrays, Dataset, Source
from ssl_jax.data.options import Options
from ssl_jax.data.tfds import open_tfds
from ssl_jax.errors import InputError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
LABEL_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def open_mini(options: Options) -> Dataset:
    """Opens the 10,000 training and 2,000 test images bundled with this package."""
    return _dataset(options, **read_mini())


def open_whole(options: Options) -> Dataset:
    """Opens all 70,000 images, from Debian's package `dataset-fashion-mnist` or else from TFDS."""
    if not DEBIAN_FOLDER.is_dir():
        try:
            return open_tfds(options, "fashion_mnist")
        except InputError as error:
            raise InputError(f"{error}; or install Debian's dataset-fashion-mnist") from error
    return _dataset(options, **read_folder(DEBIAN_FOLDER))


def read_mini() -> dict[str, np.ndarray]:
    """Reads the bundled images; returns the same keys and shapes as `read_folder`."""
    folder = importlib.resources.files("ssl_jax.data") / "embedded"
    content = (folder / "fashion_mnist_mini.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def read_folder(folder: Path) -> dict[str, np.ndarray]:
    """Reads the four IDX files of Fashion-MNIST.

    Returns:
      `train_images`, uint8 [n, 28, 28], `train_labels`, uint8 [n], `test_images` and `test_labels`.

    Raises:
      InputError: a file is missing or damaged, or labels and images do not agree.
    """
    arrays = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = idx.read(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = idx.read(folder / f"{prefix}-labels-idx1-ubyte.gz")
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise InputError(
                f"{folder}: {split} images {images.shape} and labels {labels.shape} do not agree; "
                "expected [n, h, w] and [n]"
            )
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = labels
    return arrays


def _dataset(
    options: Options,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
) -> Dataset:
    def source(images: np.ndarray, labels: np.ndarray, title: str) -> Source:
        columns = {"image": images[..., None], "label": labels.astype(np.int32)}
        return conform(Arrays(columns), options, images.shape[1], 1, title)

    train = source(train_images, train_labels, "training")
    facts: dict[str, Any] = {
        "modality": "image",
        "image_size": options.image_size or train_images.shape[1],
        "channels": options.channels or 1,
    }
    if facts["channels"] == 1:
        facts["mean"], facts["std"] = statistics.FASHION_MNIST
    return Dataset(train, train, source(test_images, test_labels, "test"), LABEL_NAMES, facts)
