"""The noise of denoising autoencoders, each ``f(key, image, level) -> image`` on one image.

Vincent et al., Stacked Denoising Autoencoders: Learning Useful Representations in a Deep Network
with a Local Denoising Criterion, 2010, https://jmlr.org/papers/v11/vincent10a.html. Unlike
augmentations, Gaussian noise leaves [0, 1].
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

Image = Float[Array, "h w c"]


def masking(key: PRNGKeyArray, image: Image, level: float) -> Image:
    """Sets a share of the components, exactly ``level``, to 0."""
    return jnp.where(_chosen(key, image, level), 0.0, image)


def salt_and_pepper(key: PRNGKeyArray, image: Image, level: float) -> Image:
    """Sets a share of the components, exactly ``level``, to 0 or 1, equally often."""
    where_key, coin_key = jax.random.split(key)
    coins = jax.random.bernoulli(coin_key, shape=image.shape)
    return jnp.where(_chosen(where_key, image, level), coins.astype(image.dtype), image)


def gaussian(key: PRNGKeyArray, image: Image, level: float) -> Image:
    """Adds normal deviates with the standard deviation ``level``."""
    return image + level * jax.random.normal(key, image.shape)


def _chosen(key: PRNGKeyArray, image: Image, share: float) -> Bool[Array, "h w c"]:
    order = jax.random.permutation(key, image.size)
    return (order < round(share * image.size)).reshape(image.shape)


NOISE = {"masking": masking, "gaussian": gaussian, "salt_and_pepper": salt_and_pepper}
