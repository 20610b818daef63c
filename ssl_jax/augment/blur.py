"""Gaussian blur: a small matrix product along each axis, without a gather."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, chosen, merged, planes


def blur(image: Image, sigma: Scalar | float, *, kernel_size: int) -> Image:
    """Convolve with a normalised Gaussian cut off at ``kernel_size``, mirrored at the border.

    ``out = B_y @ image @ B_x^T``, where ``B`` holds the Gaussian around each pixel, and what falls
    beyond the border where its mirror image lies.

    Args:
      image: ``[h, w, c]``, each side larger than ``kernel_size // 2``.
      sigma: standard deviation in pixels, above 0; may be traced.
      kernel_size: odd.

    Returns:
      ``[h, w, c]``.
    """
    rows, columns = (
        _smoothing(size, sigma, kernel_size // 2, image.dtype) for size in image.shape[:2]
    )
    return merged([rows @ x @ columns.T for x in planes(image)])


def _smoothing(
    size: int, sigma: Scalar | float, radius: int, dtype: jnp.dtype
) -> Float[Array, "size size"]:
    def gaussian(offset: Array) -> Array:
        return jnp.where(abs(offset) <= radius, jnp.exp(-0.5 * (offset / sigma) ** 2), 0.0)

    i, j = jnp.arange(size)[:, None], jnp.arange(size)
    last = size - 1
    before = jnp.where(j > 0, gaussian(-j - i), 0.0)
    after = jnp.where(j < last, gaussian(2 * last - j - i), 0.0)
    total = gaussian(jnp.arange(-radius, radius + 1)).sum()
    return ((gaussian(j - i) + before + after) / total).astype(dtype)


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
    blurred = [jnp.clip(x, 0.0, 1.0) for x in planes(blur(image, width, kernel_size=kernel_size))]
    return merged(chosen(jax.random.bernoulli(apply_key, probability), blurred, planes(image)))
