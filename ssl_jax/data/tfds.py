"""Reads data sets of TensorFlow Datasets (TFDS) without TensorFlow."""

import functools
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ssl_jax.data import formats, memory, statistics
from ssl_jax.data.choices import choose_size
from ssl_jax.data.dataset import Dataset, Example, Source, Subset
from ssl_jax.data.frame import Frame
from ssl_jax.data.options import Options
from ssl_jax.errors import InputError

STATISTICS = {
    "fashion_mnist": statistics.FASHION_MNIST,
    "cifar10": statistics.CIFAR10,
    "cifar100": statistics.CIFAR100,
    "imagenet2012": statistics.IMAGENET,
}
_SIZES = {"imagenet2012": 224}
_SIZE_SAMPLE = 100
_CATALOG_NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.+-]+))?(:\d+\.\d+\.\d+)?", re.ASCII)


class Records:
    """A split of a TFDS data set; its images are decoded and resized on access.

    Args:
      records: what `tfds.data_source` returns if decoding of `image` is skipped.
      labelled: whether the records have a class in `label`.
      frame: the shape of an example.
    """

    def __init__(self, records: Sequence[Any], labelled: bool, frame: Frame):
        self.records = records
        self.labelled = labelled
        self.frame = frame

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """The labels, int32 [n], or None."""
        if not self.labelled:
            return None
        return np.array([record["label"] for record in self.records], np.int32)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Example:
        record = self.records[int(index)]
        example = self.frame.decode(io.BytesIO(record["image"]))
        if not self.labelled:
            return example
        return {**example, "label": np.asarray(record["label"], np.int32)}


def open_tfds(options: Options, name: str) -> Dataset:
    """Opens a TFDS data set of images, and prepares it first if it is not on disk.

    Pretraining uses the split `unlabelled` if there is one, else `train`. The test set is the split
    `test`, else `validation`, else every tenth training image. ImageNet is tested on `validation`,
    since its test labels are secret.

    Args:
      options: the options of `config.data`.
      name: TFDS's name of the data set, with a config and a version if wanted.

    Raises:
      InputError: the name is unknown, or the data set has no images or cannot be prepared.
    """
    formats.prepare()
    splits, features = _prepare(options, name)
    base_name = name.split("/")[0].split(":")[0]
    size = options.image_size or _SIZES.get(base_name) or _choose_size(features["image"], splits)
    channels = options.channels or (1 if features["image"].shape[-1] == 1 else 3)
    frame = options.frame(size, channels)
    names = getattr(features["label"], "names", None) if "label" in features else None
    notes: list[str] = []

    def source(split: str, with_labels: bool) -> Source:
        records = Records(splits[split], with_labels, frame)
        if not memory.fits(len(records), frame, options.cache_mib):
            notes.append(
                f"{split} images are decoded on every read: they do not fit in data.cache_mib"
            )
            return records
        arrays = memory.read_all(records.__getitem__, len(records), f"decoding {split} images")
        return arrays or records

    train = source("train", names is not None)
    test_split = "validation" if base_name == "imagenet2012" else _test_split(splits)
    if test_split is not None:
        test = source(test_split, names is not None)
    else:
        notes.append("no test split: every tenth training image is used for testing")
        rows = np.arange(len(train))
        test = Subset(train, rows[rows % 10 == 0])
        train = Subset(train, rows[rows % 10 != 0])
    facts: dict[str, Any] = {"modality": "image", "image_size": size, "channels": channels}
    if base_name in STATISTICS and channels == len(STATISTICS[base_name][0]):
        facts["mean"], facts["std"] = STATISTICS[base_name]
    return Dataset(
        pretrain=source("unlabelled", False) if "unlabelled" in splits else train,
        train=train,
        test=test,
        label_names=None if names is None else tuple(names),
        facts=facts,
        notes=tuple(notes),
    )


def check_in_catalogue(name: str) -> None:
    """Checks that a name is in TFDS's own catalog: NAME, NAME/CONFIG or NAME:VERSION.

    TFDS's other forms (namespaces, `/key=value`) can make it read from other places.

    Raises:
      InputError: the name is not in the catalog.
    """
    match = _CATALOG_NAME.fullmatch(name)
    if not match or not _in_catalog(match["name"], match["config"]):
        raise InputError(
            f"data.name: {'tfds:' + name!r} in the run's config.json is not in TFDS's catalog; "
            "expected one of its names"
        )


def _in_catalog(name: str, config: str | None) -> bool:
    """Returns whether TFDS's own code has this data set, with this config."""
    import tensorflow_datasets as tfds

    if name not in tfds.list_builders(with_community_datasets=False):
        return False
    return config is None or config in tfds.builder_cls(name).builder_configs


def _prepare(options: Options, name: str) -> tuple[dict[str, Sequence[Any]], dict[str, Any]]:
    """Returns the splits of a data set, with undecoded images, and its features."""
    import tensorflow_datasets as tfds

    key = f"data.name: {options.name!r}"
    try:
        builder = tfds.builder(name, data_dir=options.data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(f"{key} is not known to TFDS; expected a name from its catalog") from error
    except Exception as error:
        raise InputError(f"{key} cannot be opened by TFDS: {_first_line(error)}") from error
    features = builder.info.features
    if "image" not in features or not isinstance(features["image"], tfds.features.Image):
        raise InputError(f"{key} has no feature 'image'; expected an image data set")
    try:
        splits = tfds.data_source(
            name,
            data_dir=options.data_dir,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
    except Exception as error:  # network, disk or a missing package: the user can fix each of them
        raise InputError(
            f"{key} cannot be prepared by TFDS: {_first_line(error)}; expected the data in "
            f"{builder.data_dir}, or a network connection and "
            "`pip install importlib_resources tensorflow`"
        ) from error
    if not len(splits.get("train", ())):
        raise InputError(f"{key} has the splits {sorted(splits)}; expected 'train' among them")
    return splits, features


def _test_split(splits: dict[str, Sequence[Any]]) -> str | None:
    return next((split for split in ("test", "validation") if split in splits), None)


def _choose_size(feature: Any, splits: dict[str, Sequence[Any]]) -> int:
    """Returns the shorter side if all images have the same shape, else chooses as for a folder."""
    height, width, _ = feature.shape
    if height and width:
        return min(height, width)
    records = splits["train"]
    shorter_sides = []
    for row in np.unique(np.linspace(0, len(records) - 1, _SIZE_SAMPLE).astype(int)).tolist():
        with Image.open(io.BytesIO(records[row]["image"])) as image:
            shorter_sides.append(min(image.size))
    return choose_size(shorter_sides)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
