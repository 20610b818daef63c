"""Clips: ``{"video": uint8 [f, h, w, c]}``."""

from collections.abc import Mapping

import numpy as np
from jax import ShapeDtypeStruct
from ml_collections import ConfigDict

from ssl_jax.data.dataset import Arrays
from ssl_jax.data.modalities.base import Modality
from ssl_jax.errors import InputError


def _example(data: ConfigDict) -> dict[str, ShapeDtypeStruct]:
    shape = (data.frames, data.image_size, data.image_size, data.channels)
    return {"video": ShapeDtypeStruct(shape, np.uint8)}


def _read(clips: np.ndarray, data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Reads clips, uint8 ``[n, f, h, w, c]``, of the same shape as the training clips.

    Raises:
      InputError: the clips have another shape or type.
    """
    del assets
    expected = _example(data)["video"]
    clips = np.asarray(clips)
    if clips.shape[1:] != expected.shape or clips.dtype != np.uint8 or not len(clips):
        raise InputError(
            f"clips: {clips.dtype} {list(clips.shape)}; expected uint8 {['n', *expected.shape]}"
        )
    return Arrays({"video": clips})


VIDEO = Modality(_example, _read, "raw pixels")
