"""Gaussian blur, one axis after the other."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, with_probability


def blur(image: Image, sigma: Scalar | float, *, kernel_size: int) -> Image:
    """Convolve with a normalised Gaussian cut off at ``kernel_size``, mirrored at the border.

    Args:
      image: ``[h, w, c]``, each side larger than ``kernel_size // 2``.
      sigma: standard deviation in pixels, above 0; may be traced.
      kernel_size: odd.

    Returns:
      ``[h, w, c]``.
    """
    radius = kernel_size // 2
    offsets = jnp.arange(-radius, radius + 1, dtype=image.dtype)
    weights = jnp.exp(-0.5 * (offsets / sigma) ** 2)
    weights = weights / weights.sum()
    for axis in (0, 1):
        border = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = jnp.pad(image, border, mode="reflect")
        length = image.shape[axis]
        shifted = [
            jax.lax.slice_in_dim(padded, i, i + length, axis=axis) for i in range(kernel_size)
        ]
        image = sum((w * x for w, x in zip(weights, shifted, strict=True)), jnp.zeros_like(image))
    return image


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
    apply_key, sigma_key = jax.random.split(key)
    width = jax.random.uniform(sigma_key, (), image.dtype, *sigma)
    blurred = jnp.clip(blur(image, width, kernel_size=kernel_size), 0.0, 1.0)
    return with_probability(probability, apply_key, blurred, image)
