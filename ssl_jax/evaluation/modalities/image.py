"""Images: ``{"image": uint8 [h, w, c]}``."""

import jax

from ssl_jax.evaluation.modalities.base import Inputs, flat_pixels
from ssl_jax.methods.base import Batch


@jax.jit
def raw_input(batch: Batch) -> jax.Array:
    """Returns the pixels; images with a side above 32 are resized to 32 x 32."""
    return flat_pixels(batch["image"])


IMAGE = Inputs(lambda _: raw_input)
