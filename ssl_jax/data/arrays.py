"""Images in memory: the user's own arrays, and data sets small enough to load whole."""

from typing import Any

import numpy as np
from PIL import Image

from ssl_jax.data import contents, memory, statistics
from ssl_jax.data.dataset import Arrays, Dataset, Example, Source, gather, labels_of
from ssl_jax.data.frame import Frame, centers, frame_of
from ssl_jax.data.options import Options
from ssl_jax.errors import InputError


class Fitted:
    """Another source, with its images, uint8 [h, w, c], brought to one shape."""

    def __init__(self, source: Source, frame: Frame):
        self.source = source
        self.frame = frame

    @property
    def labels(self) -> np.ndarray | None:
        """The labels, int32 [n], or None."""
        return labels_of(self.source)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        example = self.source[index]
        image = example["image"]
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        return {**example, **self.frame.fit(picture)}


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    test_images: np.ndarray,
    test_labels: np.ndarray | None = None,
    label_names: tuple[str, ...] | None = None,
) -> Dataset:
    """Builds a dataset from arrays in memory.

    Use it for data of your own: a method trains on `images`, and evaluation fits its probes on
    `images` and `labels` and scores them on the test arrays.

    >>> import numpy as np
    >>> from ssl_jax import data
    >>> images = np.zeros((100, 32, 32, 3), np.uint8)
    >>> labels = np.arange(100) % 2
    >>> pets = data.from_arrays(
    ...     images[:80],
    ...     labels[:80],
    ...     test_images=images[80:],
    ...     test_labels=labels[80:],
    ...     label_names=("cat", "dog"),
    ... )
    >>> len(pets.train), len(pets.test), pets.label_names
    (80, 20, ('cat', 'dog'))
    >>> pets.train[1]["image"].shape, int(pets.train[1]["label"])
    ((32, 32, 3), 1)

    Args:
      images: training images, uint8 [n, h, h, 1 or 3] or [n, h, h].
      labels: one class per training image, integers [n], 0 or more, or None. Without
        `label_names`, the classes are the numbers that occur, in order.
      test_images: test images, [m, ...], of the same size and channels as `images`.
      test_labels: one class per test image, integers [m]; required if `labels` is given, and
        refused otherwise.
      label_names: the name of class 0, 1, ...; by default the numbers that occur.

    Returns:
      The dataset, with mean and standard deviation measured on `images`.

    Raises:
      InputError: shapes, types or labels do not agree.
    """
    images = _checked_images("images", images)
    test_images = _checked_images("test_images", test_images)
    if images.shape[1] != images.shape[2]:
        raise InputError(f"images: shape {images.shape} is not square; expected [n, h, h, c]")
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"test_images: shape {test_images.shape[1:]} differs from the training shape; "
            f"expected {images.shape[1:]}"
        )
    if (labels is None) != (test_labels is None):
        missing = "labels" if labels is None else "test_labels"
        raise InputError(f"{missing}: None but the other split has labels; expected both or none")
    columns = {"image": images}
    test_columns = {"image": test_images}
    if labels is not None and test_labels is not None:
        ids = _checked_labels("labels", labels, len(images))
        test_ids = _checked_labels("test_labels", test_labels, len(test_images))
        known = np.union1d(ids, test_ids)
        if label_names is None:
            label_names = tuple(map(str, known))
        elif len(label_names) <= known[-1]:
            raise InputError(
                f"label_names: {len(label_names)} names; expected {known[-1] + 1}, one per label"
            )
        else:
            known = np.arange(len(label_names))
        columns["label"] = np.searchsorted(known, ids).astype(np.int32)
        test_columns["label"] = np.searchsorted(known, test_ids).astype(np.int32)
    elif label_names is not None:
        raise InputError("label_names: given without labels; expected labels too")
    train = Arrays(columns)
    size, channels = images.shape[2:]
    mean, std = statistics.measure(train)
    facts = {"modality": "image", "image_size": size, "channels": channels}
    facts |= {"mean": mean, "std": std}
    arrays = {**columns, **{f"test_{name}": column for name, column in test_columns.items()}}
    return Dataset(
        train, train, Arrays(test_columns), label_names, facts, contents=contents.of_arrays(arrays)
    )


def fit_images(images: np.ndarray, config_data: Any) -> np.ndarray:
    """Brings images in memory to the size and channels that a run was trained on.

    Args:
      images: [n, h, w, 1 or 3], of any size, or [n, h, w] if the run is gray; uint8, or float from
        0 to 1.
      config_data: `config.data`, with the `image_size` and `channels` that loading resolved.

    Returns:
      uint8 [n, image_size, image_size, channels].

    Raises:
      InputError: the images have another shape, type or range.
    """
    images = _as_array(images)
    _check_not_one(images, config_data["channels"])
    if np.issubdtype(images.dtype, np.floating):
        if not np.all((images >= 0) & (images <= 1)):
            raise InputError(
                f"images: {images.dtype} from {images.min():g} to {images.max():g} is out of "
                "range; expected 0 to 1"
            )
        images = np.round(images * 255).astype(np.uint8)
    source = Arrays({"image": _checked_images("images", images)})
    frame = frame_of(config_data)
    fitted = centers(Fitted(source, frame), frame)
    return gather(fitted, np.arange(len(fitted)))["image"]


def conform(source: Arrays, options: Options, size: int, channels: int, title: str) -> Source:
    """Brings images in memory to the size and channels that the options ask for.

    Args:
      source: examples with `image`, uint8 [h, w, c], and optionally `label`.
      options: the size and channels to produce, and how much memory may be used.
      size: height and width in pixels, used if the options give none.
      channels: number of channels, used if the options give none.
      title: what the progress bar calls the images.

    Returns:
      The source itself if its images already have that shape. Otherwise a resized copy in memory,
      or, if the copy would exceed `cache_mib`, a source that resizes each image on access.
    """
    frame = options.frame(options.image_size or size, options.channels or channels)
    shape = (frame.size, frame.size, frame.channels)
    if frame.stored is None and source.columns["image"].shape[1:] == shape:
        return source
    fitted = Fitted(source, frame)
    if not memory.fits(len(source), frame, options.cache_mib):
        return fitted
    return memory.read_all(fitted.__getitem__, len(fitted), f"decoding {title} images") or fitted


def _as_array(images: Any) -> np.ndarray:
    """Returns an array of one image per row.

    Raises:
      InputError: images have different shapes.
    """
    if isinstance(images, list | tuple):
        shapes = sorted({np.shape(image) for image in images})
        if len(shapes) > 1:
            raise InputError(
                f"images: {len(images)} images of different shapes, such as {shapes[0]} and "
                f"{shapes[-1]}; expected one shape, or a folder and experiments/embed.py"
            )
    return np.asarray(images)


def _check_not_one(images: np.ndarray, channels: int) -> None:
    """Refuses what could be a single image without the axis of examples, or several gray ones."""
    is_one = images.ndim == 2 or (images.ndim == 3 and (channels > 1 or images.shape[2] <= 4))
    if is_one and 0 not in images.shape:
        gray = "[n, h, w]" if channels == 1 else "images[..., None] of gray images"
        raise InputError(
            f"images: shape {images.shape} could be one image or several; expected [n, h, w, c], "
            f"such as images[None] of a single image, or {gray}"
        )


def _checked_images(name: str, images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InputError(
            f"{name}: type {images.dtype} is not supported; expected uint8 from 0 to 255"
            + (", or float32 from 0 to 1" if name == "images" else "")
        )
    with_channels = images[..., None] if images.ndim == 3 else images
    if with_channels.ndim != 4 or with_channels.shape[3] not in (1, 3) or 0 in with_channels.shape:
        raise InputError(
            f"{name}: shape {images.shape} is not supported; "
            f"expected images [n, h, w], [n, h, w, 1] or [n, h, w, 3]{_hint(images.shape)}"
        )
    return with_channels


def _hint(shape: tuple[int, ...]) -> str:
    """Says what kind of images a wrong shape looks like."""
    if 0 in shape:
        return "; there is nothing in it"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the fourth channel, which looks like transparency"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "; the channels come second here: np.moveaxis(images, 1, -1)"
    return ""


def _checked_labels(name: str, labels: np.ndarray, count: int) -> np.ndarray:
    labels = np.asarray(labels)
    integers = np.issubdtype(labels.dtype, np.integer)
    if not integers or labels.shape != (count,) or labels.min() < 0 or labels.max() >= 2**63:
        raise InputError(
            f"{name}: {labels.dtype} {labels.shape} is not valid; "
            f"expected {count} integers from 0 to 2**63 - 1, one per image"
        )
    return labels.astype(np.int64)
