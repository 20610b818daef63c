"""One augmentation after another."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PRNGKeyArray

Image = Float[Array, "_ _ c"]
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


def with_probability(probability: float, key: PRNGKeyArray, changed: Image, image: Image) -> Image:
    """``changed`` with the given probability, else ``image``; both are computed under vmap."""
    return jax.numpy.where(jax.random.bernoulli(key, probability), changed, image)
