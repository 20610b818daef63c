"""Clips: ``{"video": uint8 [f, h, w, c]}``."""

from collections.abc import Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data.dataset import Arrays
from ssl_jax.errors import InputError
from ssl_jax.evaluation.modalities.base import Look, Modality, no_scores
from ssl_jax.evaluation.modalities.pictures import flat, made, nearest, viewed
from ssl_jax.evaluation.report import Section
from ssl_jax.methods.base import Batch


def _example(data: ConfigDict) -> dict[str, jax.ShapeDtypeStruct]:
    shape = (data.frames, data.image_size, data.image_size, data.channels)
    return {"video": jax.ShapeDtypeStruct(shape, np.uint8)}


def _read(clips: np.ndarray, data: ConfigDict, assets: Mapping[str, str]) -> Arrays:
    """Clips uint8 ``[n, f, h, w, c]`` of the shape that was trained on.

    Raises:
      InputError: another shape or type.
    """
    del assets
    expected = _example(data)["video"]
    clips = np.asarray(clips)
    if clips.shape[1:] != expected.shape or clips.dtype != np.uint8 or not len(clips):
        raise InputError(
            f"clips: {clips.dtype} {list(clips.shape)}; expected uint8 {['n', *expected.shape]}"
        )
    return Arrays({"video": clips})


@jax.jit
def raw_input(batch: Batch) -> jax.Array:
    """The pixels of the first, the middle and the last frame, large ones shrunk to 32 x 32."""
    frames = batch["video"].shape[1]
    chosen = [batch["video"][:, i] for i in (0, frames // 2, frames - 1)]
    return jax.numpy.concatenate([flat(frame) for frame in chosen], axis=-1)


def _sections(look: Look) -> list[Section]:
    found = nearest(look, raw_input, lambda batch: batch["video"][:, batch["video"].shape[1] // 2])
    return [*viewed(look), *made(look), *found]


VIDEO = Modality(_example, _read, lambda _: raw_input, "raw pixels", no_scores, _sections)
