"""Images in an .npz file, with any number of channels and any depth.

Arrays go by the names of the libraries that write such files:

- training images: `images`, `train_images` or `x_train`, [n, h, w, c] or gray [n, h, w];
- their labels, if there are any: `labels`, `train_labels` or `y_train`, [n] or [n, 1], integers
  of 0 or more or strings;
- test images and their labels: `test_images` or `x_test`, `test_labels` or `y_test`. Without them
  every tenth training image is used for testing.

Other arrays are ignored, with a note. Images are uint8. Other integers and floats are scaled to 8
bits by the smallest and the largest value of the training images, unless `data.value_range` is
set: one range for gray and color, one for each channel otherwise, since bands of a sensor differ.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.data.arrays import checked_labels, conform, numbered, scaled
from ssl_jax.data.dataset import Arrays, Dataset, Example, Source, Subset
from ssl_jax.data.mapped import open_arrays
from ssl_jax.data.options import Options
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

_NAMES = {
    "images": ("images", "train_images", "x_train"),
    "labels": ("labels", "train_labels", "y_train"),
    "test_images": ("test_images", "x_test"),
    "test_labels": ("test_labels", "y_test"),
}
_MEASURED = 2000  # images
_LARGEST = 4096  # pixels of a side that is chosen


class Scaled(Arrays):
    """Examples whose `image` has more than 8 bits, scaled to uint8 when they are read."""

    def __init__(self, columns: dict[str, np.ndarray], values: tuple[float, ...]):
        super().__init__(columns)
        self.values = values

    def __getitem__(self, index: int) -> Example:
        example = super().__getitem__(index)
        return {**example, "image": scaled(example["image"], self.values)}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        batch = super().take(indices)
        return {**batch, "image": scaled(batch["image"], self.values)}


class _Part(NamedTuple):
    """Images [n, h, w, c], and labels [n] if there are any."""

    images: np.ndarray
    labels: np.ndarray | None


def open_npz(options: Options) -> Dataset:
    """Opens `npz:/path` by the rules at the top of this file.

    Raises:
      InputError: the file is missing, damaged or compressed and larger than `cache_mib`, or its
        arrays do not agree.
    """
    path = expanded(options.name.removeprefix("npz:"))
    if not path.is_file():
        raise InputError(f"data.name: {options.name!r} is not a file; expected npz:/path")
    arrays, contents = open_arrays(path, options.cache_mib)
    train = _part(path, arrays, "images", "labels")
    test = _part(path, arrays, "test_images", "test_labels")
    if train is None:
        expected = ", ".join(_NAMES["images"])
        raise InputError(f"{path}: has the arrays {sorted(arrays)}; expected one of {expected}")
    notes: list[str] = []
    used = {name for names in _NAMES.values() for name in names}
    if ignored := sorted(arrays.keys() - used):
        notes.append(f"ignored arrays: {', '.join(map(printable, ignored))}")
    if test is not None:
        _check_same_kind(path, train.images, test.images)
        if train.labels is not None and test.labels is None:
            notes.append("the test images are not used: they have no labels")
            test = None
    if test is None:
        notes.append("every tenth training image is used for testing")

    images = train.images
    channels = _channels(options, images.shape[3])
    size = options.image_size or min(*images.shape[1:3], _LARGEST)
    facts: dict[str, Any] = {"modality": "image", "image_size": size, "channels": channels}
    if images.dtype != np.uint8:
        facts["value_range"] = _value_range(options, images)
        notes.append(_scaling(images.dtype, facts["value_range"]))
    if channels not in (1, 3):
        first = "three" if channels > 3 else "one"
        notes.append(f"the report shows the first {first} of {channels} channels")

    names = None
    train_labels, test_labels = train.labels, None if test is None else test.labels
    if train_labels is not None:
        given = train_labels if test_labels is None else test_labels
        train_labels, test_labels, names = numbered(train_labels, given)

    def source(images: np.ndarray, labels: np.ndarray | None, title: str) -> Source:
        columns = {"image": images} if labels is None else {"image": images, "label": labels}
        deep = "value_range" in facts
        rows = Scaled(columns, facts["value_range"]) if deep else Arrays(columns)
        return conform(rows, options, size, channels, title)

    train_source = source(train.images, train_labels, "training")
    if test is not None:
        test_source = source(test.images, test_labels, "test")
    else:
        rows = np.arange(len(images))
        test_source = Subset(train_source, rows[rows % 10 == 0])
        train_source = Subset(train_source, rows[rows % 10 != 0])
    return Dataset(
        train_source, train_source, test_source, names, facts, tuple(notes), contents=contents
    )


def _part(
    path: Path, arrays: Mapping[str, np.ndarray], images_key: str, labels_key: str
) -> _Part | None:
    """Returns the images and labels of a split; None if there are no images.

    Raises:
      InputError: their shapes or types are not those of images or labels.
    """
    name = next((name for name in _NAMES[images_key] if name in arrays), None)
    if name is None:
        return None
    images = arrays[name]
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or 0 in images.shape or images.dtype.kind not in "uif":
        raise InputError(
            f"{path}: {name} is {images.dtype} {images.shape}; expected numbers [n, h, w, c] or "
            "[n, h, w]"
        )
    label_name = next((name for name in _NAMES[labels_key] if name in arrays), None)
    if label_name is None:
        return _Part(images, None)
    labels = arrays[label_name]
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.dtype.kind != "U" or labels.shape != (len(images),):
        labels = checked_labels(f"{path}: {label_name}", labels, len(images))
    return _Part(images, labels)


def _check_same_kind(path: Path, images: np.ndarray, test_images: np.ndarray) -> None:
    """Raises an InputError if test images have another shape or type than training images."""
    train, test = ((x.shape[1:], x.dtype) for x in (images, test_images))
    if test != train:
        raise InputError(
            f"{path}: the test images are {test[1]} {test[0]}; expected {train[1]} {train[0]}, as "
            "in training"
        )


def _channels(options: Options, there: int) -> int:
    """Returns the number of channels to produce; gray and color become each other."""
    asked = options.channels or there
    if asked != there and not {asked, there} <= {1, 3}:
        raise InputError(
            f"data.channels: {asked} in {options.name}, whose images have {there}; expected {there}"
        )
    return asked


def _value_range(options: Options, images: np.ndarray) -> tuple[float, ...]:
    """Returns the values that become black and white, two, or two per channel."""
    channels = images.shape[3]
    if (given := options.value_range) is not None:
        if len(given) not in (2, 2 * channels):
            raise InputError(
                f"data.value_range: {len(given)} numbers; expected 2, or {2 * channels} for "
                f"{channels} channels"
            )
        return tuple(given)
    axes = (0, 1, 2, 3) if channels in (1, 3) else (0, 1, 2)
    low, high = np.inf, -np.inf
    for row in np.unique(np.linspace(0, len(images) - 1, _MEASURED).astype(int)):
        image = images[row : row + 1].astype(np.float64)
        image = np.where(np.isfinite(image), image, np.nan)
        if not np.isnan(image).all(axis=axes).any():
            low = np.minimum(low, np.nanmin(image, axis=axes))
            high = np.maximum(high, np.nanmax(image, axis=axes))
    if not np.all(np.isfinite([low, high])):
        raise InputError(f"data.name: {options.name!r} holds no finite image; expected numbers")
    pairs = np.stack([low, np.where(high > low, high, low + 1)], axis=-1)
    return tuple(pairs.ravel().tolist())


def _scaling(dtype: np.dtype, values: tuple[float, ...]) -> str:
    """Says how images are scaled to 8 bits."""
    if len(values) == 2:
        how = f"{values[0]:g} becomes black and {values[1]:g} white"
    else:
        how = f"each of {len(values) // 2} channels from its smallest to its largest value"
    return f"{dtype} images are scaled to 8 bits: {how} (data.value_range)"
