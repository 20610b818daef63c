"""Composition of augmentations, and the types and layouts that they share.

Augmentations compute on ``[c, h, w]``: a CPU vectorizes over neighboring pixels of one channel, but
hardly over three interleaved channels. The compiler removes ``channels_first(channels_last(x))``,
so the pixels are not moved between two augmentations.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ssl_jax.augment.checks import on_pixels

Image = Float[Array, "_ _ c"]
Planes = Float[Array, "c _ _"]
Augmentation = Callable[..., Image]  # (key, image); keywords of a crop


def compose(*functions: Augmentation) -> Augmentation:
    """Returns one augmentation that applies the functions from left to right.

    The function at position ``i`` gets the key ``fold_in(key, i)``, so appending a function does
    not change the draws of the others.

    Args:
      *functions: each ``f(key, image) -> image``; bind parameters with ``functools.partial``.

    Returns:
      ``f(key, image) -> image``. Keywords go to the first function, such as the ``picture_aspect``
      of a crop.

    Examples:
      >>> import jax
      >>> from ssl_jax import augment
      >>> view = augment.compose(augment.horizontal_flip, augment.grayscale)
      >>> images = jax.numpy.zeros((8, 32, 32, 3))
      >>> keys = jax.random.split(jax.random.key(0), len(images))
      >>> jax.vmap(view)(keys, images).shape
      (8, 32, 32, 3)

    References:
      JAX's PRNG design, for keys that are derived and never consumed,
      https://docs.jax.dev/en/latest/jep/263-prng.html
    """

    @on_pixels
    def composed(key: PRNGKeyArray, image: Image, **of_first: Any) -> Image:
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(len(functions)))
        for position, function in enumerate(functions):
            image = function(keys[position], image, **({} if position else of_first))
        return image

    return composed


def channels_first(image: Image) -> Planes:
    """Transposes ``[h, w, c]`` to ``[c, h, w]``."""
    return jnp.moveaxis(image, -1, 0)


def channels_last(planes: Planes) -> Image:
    """Transposes ``[c, h, w]`` to ``[h, w, c]``."""
    return jnp.moveaxis(planes, 0, -1)
