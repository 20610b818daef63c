"""One augmentation after another, and what they share.

Augmentations work on ``[c, h, w]``: a CPU computes many neighbours of one channel at a time, and
hardly anything of three channels in a row. ``channels_first`` of ``channels_last`` is nothing to
the compiler, so between two augmentations the pixels stay as they are.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Image = Float[Array, "_ _ c"]
Planes = Float[Array, "c _ _"]
Augmentation = Callable[[PRNGKeyArray, Image], Image]


def compose(*functions: Augmentation) -> Augmentation:
    """One augmentation that applies the functions from left to right.

    The function at position ``i`` gets ``fold_in(key, i)``: one more at the end leaves the draws of
    those before it as they were.

    Args:
      *functions: each ``f(key, image) -> image``; bind parameters with ``functools.partial``.

    Returns:
      ``f(key, image) -> image``.

    References:
      JAX's PRNG design, for keys that are derived and never consumed,
      https://docs.jax.dev/en/latest/jep/263-prng.html
    """

    def composed(key: PRNGKeyArray, image: Image) -> Image:
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(len(functions)))
        for position, function in enumerate(functions):
            image = function(keys[position], image)
        return image

    return composed


def channels_first(image: Image) -> Planes:
    """``[h, w, c]`` to ``[c, h, w]``."""
    return jnp.moveaxis(image, -1, 0)


def channels_last(planes: Planes) -> Image:
    """``[c, h, w]`` to ``[h, w, c]``."""
    return jnp.moveaxis(planes, 0, -1)
