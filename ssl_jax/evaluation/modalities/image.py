"""Images: ``{"image": uint8 [h, w, c]}``."""

from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict
from sklearn.decomposition import PCA

from ssl_jax.data import Dataset
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation.modalities import nearest_hole
from ssl_jax.evaluation.modalities.base import Inputs, flat_pixels, training_images
from ssl_jax.methods.base import Batch

Reconstruct = Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n h w c"]]

_PICTURES = 500  # that are reconstructed at once


@jax.jit
def raw_input(batch: Batch) -> jax.Array:
    """Returns the pixels; images with a side above 32 are resized to 32 x 32."""
    return flat_pixels(batch["image"])


def principal_components(
    data: Dataset, config: ConfigDict, values: Mapping[str, float]
) -> Reconstruct | None:
    """Builds the linear yardstick of an autoencoder: principal component analysis (PCA).

    It has as many components as the method's code has numbers, and is fitted to the images that
    the method trained on, or to evenly spaced ones if there are more than fit into memory.

    Args:
      data: of the run.
      config: of the run.
      values: ``evaluation.json``.

    Returns:
      The function from images to their reconstructions, clipped to [0, 1] as the method's are; None
      if the method has no code (``method.code``) or no reconstruction error (``test_mse``).
    """
    code = config.get("method", {}).get("code")
    if not isinstance(code, int) or "test_mse" not in values:
        return None
    images = training_images(data, config)
    pixels = images.reshape(len(images), -1)
    basis = PCA(min(code, *pixels.shape), random_state=0).fit(pixels)

    def reconstruct(images: np.ndarray) -> np.ndarray:
        found = basis.inverse_transform(basis.transform(_flat(images)))
        return np.clip(found, 0, 1).reshape(images.shape)

    return reconstruct


def _flat(images: np.ndarray) -> Float[np.ndarray, "n d"]:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def _scores(
    data: Dataset, config: ConfigDict, values: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Yields the errors of the yardsticks beside those of methods that paint."""
    yield from nearest_hole.scores(data, config, values)
    reconstruct = principal_components(data, config, values)
    if reconstruct is None:
        return
    total = 0.0
    for start in range(0, len(data.test), _PICTURES):
        rows = np.arange(start, min(start + _PICTURES, len(data.test)))
        images = gather(data.test, rows)["image"]
        errors = np.square(reconstruct(images) - images / 255)
        total += float(errors.mean(axis=(1, 2, 3)).sum())
    yield "test_mse_pca", total / len(data.test)


IMAGE = Inputs(lambda _: raw_input, _scores)
