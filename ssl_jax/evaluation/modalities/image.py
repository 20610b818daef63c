"""Images: ``{"image": uint8 [h, w, c]}``."""

from collections.abc import Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data.arrays import fit_images
from ssl_jax.data.dataset import Arrays
from ssl_jax.evaluation.modalities.base import Look, Modality, no_scores
from ssl_jax.evaluation.modalities.pictures import flat, made, nearest, viewed
from ssl_jax.evaluation.report import Section
from ssl_jax.methods.base import Batch


def _example(data: ConfigDict) -> dict[str, jax.ShapeDtypeStruct]:
    shape = (data.image_size, data.image_size, data.channels)
    return {"image": jax.ShapeDtypeStruct(shape, np.uint8)}


def _read(images: np.ndarray, data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Images ``[n, h, w, c]`` or, grey, ``[n, h, w]``; uint8 0 to 255 or float 0 to 1; any size."""
    del assets
    return Arrays({"image": fit_images(images, data)})


@jax.jit
def raw_input(batch: Batch) -> jax.Array:
    """The pixels, of large images shrunk to 32 x 32."""
    return flat(batch["image"])


def _sections(look: Look) -> list[Section]:
    found = nearest(look, raw_input, lambda batch: batch["image"])
    return [*viewed(look), *made(look), *found]


IMAGE = Modality(_example, _read, lambda _: raw_input, "raw pixels", no_scores, _sections)
