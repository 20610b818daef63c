"""The yardstick of a method that paints a hole: what a nearest neighbor has in its place."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict

from ssl_jax.augment.pixels import to_float
from ssl_jax.data import Dataset
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation.modalities.base import training_images
from ssl_jax.methods.common import quality
from ssl_jax.methods.pretext.holes import square

Fill = Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n h w c"]]

_PICTURES = 500  # that are filled at once


def nearest_hole(data: Dataset, config: ConfigDict, values: Mapping[str, float]) -> Fill | None:
    """Builds the yardstick: the hole of the training image whose visible pixels are nearest.

    Args:
      data: of the run.
      config: of the run.
      values: ``evaluation.json``.

    Returns:
      The function from images to images in [0, 1] with the middle filled; None if the method paints
      no hole there (``method.region``) or has no error of it (``test_hole_mse``).
    """
    hole = _hole(config, values)
    if hole is None:
        return None
    side = config.data.image_size
    visible = np.ones((side, side), bool)
    visible[hole] = False
    training = training_images(data, config)
    contexts = training[:, visible].reshape(len(training), -1)
    lengths = np.square(contexts).sum(axis=1)

    def fill(images: np.ndarray) -> np.ndarray:
        filled = images.astype(np.float32) / 255
        context = filled[:, visible].reshape(len(images), -1)
        nearest = (lengths - 2 * context @ contexts.T).argmin(axis=1)
        filled[:, *hole] = training[nearest][:, *hole]
        return filled

    return fill


def scores(
    data: Dataset, config: ConfigDict, values: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Yields the quality of what the yardstick fills in, averaged over the test images."""
    fill, hole = nearest_hole(data, config, values), _hole(config, values)
    if fill is None or hole is None:
        return
    totals: defaultdict[str, float] = defaultdict(float)
    for start in range(0, len(data.test), _PICTURES):
        rows = np.arange(start, min(start + _PICTURES, len(data.test)))
        images = gather(data.test, rows)["image"]
        filled, truth = (jnp.asarray(x[:, *hole]) for x in (fill(images), to_float(images)))
        found = quality.scores(filled, truth, "nearest")
        for name, one_each in found.items():
            totals[name] += float(one_each.sum())
    for name, total in totals.items():
        yield f"test_hole_{name}", total / len(data.test)


def _hole(config: ConfigDict, values: Mapping[str, float]) -> tuple[slice, slice] | None:
    method = config.get("method", {})
    if method.get("region") != "middle" or "test_hole_mse" not in values:
        return None
    return square(config.data.image_size, config.data.image_size // 2 - 2 * method.overlap)
