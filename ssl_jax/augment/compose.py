"""One augmentation after another, and what they share.

Augmentations work on the channels one by one, each a plane ``[h, w]``: a CPU computes many
neighbours of one channel at a time, and hardly anything of three channels in a row. ``planes`` of
``merged`` is nothing to the compiler, so between two augmentations the planes stay as they are.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

Image = Float[Array, "_ _ c"]
Plane = Float[Array, "_ _"]
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
        for position, function in enumerate(functions):
            image = function(jax.random.fold_in(key, position), image)
        return image

    return composed


def planes(image: Image) -> list[Plane]:
    """The channels of an image."""
    return [image[..., channel] for channel in range(image.shape[-1])]


def merged(channels: list[Plane]) -> Image:
    """The image of these channels."""
    return jnp.stack(channels, axis=-1)


def chosen(choice: Bool[Array, ""], these: list[Plane], those: list[Plane]) -> list[Plane]:
    """``these`` if the choice is True, else ``those``; under vmap both are computed."""
    return [jnp.where(choice, a, b) for a, b in zip(these, those, strict=True)]
