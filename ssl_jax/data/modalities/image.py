"""Images: ``{"image": uint8 [h, w, c]}``."""

from collections.abc import Mapping

import numpy as np
from jax import ShapeDtypeStruct
from ml_collections import ConfigDict

from ssl_jax.data.arrays import fit_images
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.modalities.base import Modality


def _example(data: ConfigDict) -> dict[str, ShapeDtypeStruct]:
    shape = (data.image_size, data.image_size, data.channels)
    return {"image": ShapeDtypeStruct(shape, np.uint8)}


def _read(images: np.ndarray, data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Reads ``[n, h, w, c]`` or gray ``[n, h, w]``; uint8 0 to 255 or float 0 to 1; any size."""
    del assets
    return Arrays({"image": fit_images(images, data)})


IMAGE = Modality(_example, _read, "raw pixels")
