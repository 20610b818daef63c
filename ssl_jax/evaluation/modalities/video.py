"""Clips: ``{"video": uint8 [f, h, w, c]}``."""

import jax
import jax.numpy as jnp

from ssl_jax.evaluation.modalities.base import Inputs, flat_pixels
from ssl_jax.methods.base import Batch


@jax.jit
def raw_input(batch: Batch) -> jax.Array:
    """Returns the pixels of the first, the middle and the last frame.

    Frames with a side above 32 are resized to 32 x 32.
    """
    frames = batch["video"].shape[1]
    chosen = [batch["video"][:, i] for i in (0, frames // 2, frames - 1)]
    return jnp.concatenate([flat_pixels(frame) for frame in chosen], axis=-1)


VIDEO = Inputs(lambda _: raw_input)
