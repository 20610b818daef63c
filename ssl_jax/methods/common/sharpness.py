"""How sharp pictures are, by the length of their gradient."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


def sharpness(
    pictures: Float[Array, "n h w c"], where: Bool[Array | np.ndarray, "n h w 1"]
) -> Float[Array, " n"]:
    """Returns the mean length of the gradient: the more a picture is blurred, the less it has.

    The gradient of a pixel is its difference to the pixel below and to the one on the right, for
    each channel.

    Args:
      pictures: ``[n, h, w, c]``.
      where: ``[n, h, w, 1]``: a pixel counts if it and these two are in it; without any, 0.
    """
    here = pictures[:, :-1, :-1]
    down, across = pictures[:, 1:, :-1] - here, pictures[:, :-1, 1:] - here
    counts = where[:, :-1, :-1] & where[:, 1:, :-1] & where[:, :-1, 1:]
    lengths = jnp.where(counts, jnp.sqrt(down**2 + across**2), 0).mean(axis=-1)
    return lengths.sum(axis=(1, 2)) / jnp.maximum(counts.sum(axis=(1, 2, 3)), 1)
