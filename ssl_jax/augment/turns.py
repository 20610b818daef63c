"""Turns of square images: by quarters, which only move pixels, and by eighths."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import PRNGKeyArray, Scalar

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, channels_first, channels_last


@on_pixels
def rotate90(key: PRNGKeyArray, image: Image) -> Image:
    """Rotates a square image by 0, 90, 180 or 270 degrees, each with equal probability.

    It suits images that have no upright direction, such as aerial and microscope images.

    Args:
      key: PRNG key.
      image: ``[h, h, c]``.

    Returns:
      ``[h, h, c]``.

    Raises:
      ValueError: the image is not square.

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.turns import rotate90
      >>> images = jax.numpy.zeros((8, 32, 32, 3))
      >>> keys = jax.random.split(jax.random.key(0), len(images))
      >>> jax.vmap(rotate90)(keys, images).shape
      (8, 32, 32, 3)

    References:
      Gidaris et al., Unsupervised Representation Learning by Predicting Image Rotations, 2018,
      section 3.2, https://arxiv.org/abs/1803.07728, for the four rotations.
    """
    return turn(image, jax.random.randint(key, (), 0, 4))


@on_pixels
def turn(image: Image, k: Scalar | int) -> Image:
    """Rotates a square image by ``k`` quarter turns, counterclockwise, as ``jnp.rot90`` does.

    Args:
      image: ``[h, h, c]``.
      k: any whole number; may be traced.

    Returns:
      ``[h, h, c]``.

    Raises:
      ValueError: the image is not square.
    """
    h, w, _ = image.shape
    if h != w:
        raise ValueError(f"quarter turns need a square image, not {h} x {w} pixels")
    k = jnp.asarray(k) % 4
    planes = channels_first(image)
    planes = jnp.where(k % 2 == 1, planes.swapaxes(1, 2), planes)
    planes = jnp.where((k == 1) | (k == 2), planes[:, ::-1], planes)
    return channels_last(jnp.where(k >= 2, planes[:, :, ::-1], planes))


@on_pixels
def eighth_turn(image: Image, k: int) -> Image:
    """Rotates a square image by ``k`` eighths of a turn, and enlarges what all rotations can show.

    That is the largest square that stays within the image at any angle, ``1 / sqrt(2)`` as wide.
    It is resampled bilinearly to the size of the image, for ``k = 0`` too, so no border comes into
    view and all rotations have the same scale. Quarter turns of each other only move pixels. Odd
    ``k`` are sampled at other points than even ``k``; so even in noise, the two are told apart by
    how much neighboring pixels have in common.

    Args:
      image: ``[h, h, c]``.
      k: any whole number; 2 is a quarter turn, counterclockwise.

    Returns:
      ``[h, h, c]``.

    Raises:
      ValueError: the image is not square.
    """
    h, w, _ = image.shape
    if h != w:
        raise ValueError(f"eighths of a turn need a square image, not {h} x {w} pixels")
    angle = k % 2 * np.pi / 4
    y, x = (np.indices((h, h)) - (h - 1) / 2) / np.sqrt(2)
    rows, columns = np.sin(angle) * x + np.cos(angle) * y, np.cos(angle) * x - np.sin(angle) * y
    points = [(offset + (h - 1) / 2).astype(np.float32) for offset in (rows, columns)]
    planes = channels_first(image)
    rotated = jax.vmap(lambda plane: map_coordinates(plane, points, 1, mode="nearest"))(planes)
    return turn(channels_last(rotated), k // 2)
