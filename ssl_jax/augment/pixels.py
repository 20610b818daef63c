"""Conversions between bytes, pixels in [0, 1] and normalized network inputs."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8


def to_float(images: UInt8[Array | np.ndarray, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Converts bytes from 0 to 255 to float32 in [0, 1]."""
    return jnp.asarray(images, jnp.float32) / 255


def normalize(
    images: Float[Array, "*b h w c"], mean: Sequence[float], std: Sequence[float]
) -> Float[Array, "*b h w c"]:
    """Returns ``(images - mean) / std``, with one mean and one std per channel."""
    return (images - _per_channel(mean, images)) / _per_channel(std, images)


def denormalize(
    images: Float[Array, "*b h w c"], mean: Sequence[float], std: Sequence[float]
) -> Float[Array, "*b h w c"]:
    """Inverts ``normalize``."""
    return images * _per_channel(std, images) + _per_channel(mean, images)


def _per_channel(
    values: Sequence[float], images: Float[Array, "*b h w c"]
) -> Float[Array, "*b h w c"]:
    return jnp.broadcast_to(jnp.asarray(values, images.dtype), images.shape)


def standardize(images: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Normalizes each image by its own statistics, which hides its brightness and contrast.

    Args:
      images: ``[..., h, w, c]`` in [0, 1].

    Returns:
      ``[..., h, w, c]``: every channel has mean 0, and all channels together have standard
      deviation 1. An image that varies by less than a gray level, 1 / 255, stays fainter.
    """
    centered = images - images.mean(axis=(-3, -2), keepdims=True)
    deviation = jnp.sqrt(jnp.square(centered).mean(axis=(-3, -2, -1), keepdims=True))
    return centered / jnp.maximum(deviation, 1 / 255)
