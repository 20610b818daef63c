"""Patches of an image that are moved, or replaced by those of another image."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ssl_jax.augment.compose import Image


def shuffle_patches(key: PRNGKeyArray, image: Image, *, grid: int) -> Image:
    """Cuts an image into a grid of patches and puts them back in another order.

    What a patch shows stays the same, but no longer what surrounds it. All orders but the original
    one are drawn; their probabilities are equal, except that one of them is twice as likely.

    Args:
      key: PRNG key.
      image: ``[h, w, c]``.
      grid: patches per side, at least 2; divides ``h`` and ``w``.

    Returns:
      ``[h, w, c]``.

    Raises:
      ValueError: the grid has a single patch or does not divide the image's sides.

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.patches import shuffle_patches
      >>> image = jax.numpy.arange(4.0).reshape(2, 2, 1)
      >>> sorted(shuffle_patches(jax.random.key(0), image, grid=2).ravel().tolist())
      [0.0, 1.0, 2.0, 3.0]
    """
    h, w, c = image.shape
    if grid < 2 or h % grid or w % grid:
        raise ValueError(f"a grid of {grid} x {grid} patches does not fit {h} x {w} pixels")
    cells = image.reshape(grid, h // grid, grid, w // grid, c).swapaxes(1, 2)
    order = jax.random.permutation(key, grid**2)
    order = jnp.where((order == jnp.arange(grid**2)).all(), jnp.roll(order, 1), order)
    shuffled = cells.reshape(grid**2, h // grid, w // grid, c)[order]
    return shuffled.reshape(cells.shape).swapaxes(1, 2).reshape(h, w, c)


def paste_patch(key: PRNGKeyArray, image: Image, other: Image, *, size: int) -> Image:
    """Replaces a square of an image by the same square of another image.

    Args:
      key: PRNG key; the position is uniform.
      image: ``[h, w, c]``.
      other: ``[h, w, c]``.
      size: side of the square in pixels, at most ``h`` and ``w``.

    Returns:
      ``[h, w, c]``.

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.patches import paste_patch
      >>> black, white = jax.numpy.zeros((8, 8, 1)), jax.numpy.ones((8, 8, 1))
      >>> float(paste_patch(jax.random.key(0), black, white, size=3).sum())
      9.0
    """
    h, w, c = image.shape
    limits = jnp.array([h - size + 1, w - size + 1])
    top, left = jax.random.randint(key, (2,), 0, limits)
    patch = jax.lax.dynamic_slice(other, (top, left, 0), (size, size, c))
    return jax.lax.dynamic_update_slice(image, patch, (top, left, 0))
