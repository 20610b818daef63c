"""Gaussian blur: separable, a weighted sum of shifted images along each axis."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image


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
    return _smoothed(image, _gaussian(sigma, kernel_size))


def _gaussian(sigma: Scalar | float, size: int) -> Float[Array, " k"]:
    weights = jnp.exp(-0.5 * (jnp.arange(size) - size // 2) ** 2 / sigma**2)
    return weights / weights.sum()


def _smoothed(image: Image, weights: Float[Array, " k"]) -> Image:
    h, w, c = image.shape
    k, weights = len(weights), weights.astype(image.dtype)
    rows = _mirrored(image, k // 2, 0).reshape(-1, w * c)
    image = _weighted_sum([rows[i : i + h] for i in range(k)], weights).reshape(h, w, c)
    columns = _mirrored(image, k // 2, 1).reshape(h, -1)
    shifted = [columns[:, i * c : (i + w) * c] for i in range(k)]
    return _weighted_sum(shifted, weights).reshape(h, w, c)


def _mirrored(image: Image, radius: int, axis: int) -> Image:
    """The image with ``radius`` more pixels on both sides; the outermost are not repeated."""
    size = image.shape[axis]
    before = jax.lax.slice_in_dim(image, 1, 1 + radius, axis=axis)
    after = jax.lax.slice_in_dim(image, size - 1 - radius, size - 1, axis=axis)
    return jnp.concatenate([jnp.flip(before, axis), image, jnp.flip(after, axis)], axis)


def _weighted_sum(parts: list[Array], weights: Float[Array, " k"]) -> Array:
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))


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
    blurred, unchanged = _gaussian(width, kernel_size), jnp.arange(kernel_size) == kernel_size // 2
    weights = jnp.where(draws[1] < probability, blurred, unchanged)
    return jnp.clip(_smoothed(image, weights), 0.0, 1.0)
