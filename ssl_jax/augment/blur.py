"""Gaussian blur: separable, a weighted sum of shifted images along each axis."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, Planes, channels_first, channels_last


def blur(image: Image, sigma: Scalar | float, *, kernel_size: int) -> Image:
    """Convolve with a normalised Gaussian cut off at ``kernel_size``, mirrored at the border.

    A weighted sum of shifted images along each axis in turn.

    Args:
      image: ``[h, w, c]``, each side larger than ``kernel_size // 2``.
      sigma: standard deviation in pixels, above 0; may be traced.
      kernel_size: odd.

    Returns:
      ``[h, w, c]``.
    """
    radius = kernel_size // 2
    weights = jnp.exp(-0.5 * (jnp.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(image.dtype)
    planes = channels_first(image)
    return channels_last(_smoothed(_smoothed(planes, weights, 1), weights, 2))


def _smoothed(x: Planes, weights: Float[Array, " k"], axis: int) -> Planes:
    size, radius = x.shape[axis], len(weights) // 2
    before = jax.lax.slice_in_dim(x, 1, 1 + radius, axis=axis)
    after = jax.lax.slice_in_dim(x, size - 1 - radius, size - 1, axis=axis)
    mirrored = jnp.concatenate([jnp.flip(before, axis), x, jnp.flip(after, axis)], axis)
    shifted = [jax.lax.slice_in_dim(mirrored, i, i + size, axis=axis) for i in range(len(weights))]
    return sum(weight * each for weight, each in zip(weights, shifted, strict=True))


def gaussian_blur(
    key: PRNGKeyArray,
    image: Image,
    *,
    sigma: tuple[float, float] = (0.1, 2.0),
    kernel_size: int | None = None,
    probability: float = 0.5,
) -> Image:
    """Blur with a Gaussian of random width.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      sigma: smallest and largest standard deviation in pixels, drawn uniformly.
      kernel_size: odd; None takes a tenth of the image's smaller side, made odd, at least 3.
      probability: of being blurred.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      appendix A, https://arxiv.org/abs/2002.05709
    """
    if kernel_size is None:
        kernel_size = max(3, min(image.shape[:2]) // 10 // 2 * 2 + 1)
    draws = jax.random.uniform(key, (2,))
    width = sigma[0] + (sigma[1] - sigma[0]) * draws[0]
    blurred = jnp.clip(blur(image, width, kernel_size=kernel_size), 0.0, 1.0)
    return jnp.where(draws[1] < probability, blurred, image)
