"""Gaussian blur, computed along one axis at a time as a weighted sum of shifted images."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image


@on_pixels
def blur(image: Image, sigma: Scalar | float, *, kernel_size: int) -> Image:
    """Convolves with a normalized Gaussian of ``kernel_size`` taps; borders are mirrored.

    Args:
      image: ``[h, w, c]``, each side larger than ``kernel_size // 2``.
      sigma: standard deviation in pixels, above 0; may be traced.
      kernel_size: number of taps, odd.

    Returns:
      ``[h, w, c]``.
    """
    return _convolve(image, _gaussian(sigma, kernel_size))


def _gaussian(sigma: Scalar | float, size: int) -> Float[Array, " k"]:
    offsets = jnp.arange(size, dtype=jnp.result_type(sigma, float)) - size // 2
    weights = jnp.exp(-0.5 * offsets**2 / sigma**2)
    return weights / weights.sum()


def _convolve(image: Image, weights: Float[Array, " k"]) -> Image:
    h, w, c = image.shape
    k, weights = len(weights), weights.astype(image.dtype)
    rows = _pad_mirrored(image, k // 2, 0).reshape(-1, w * c)
    image = _weighted_sum([rows[i : i + h] for i in range(k)], weights).reshape(h, w, c)
    columns = _pad_mirrored(image, k // 2, 1).reshape(h, -1)
    shifted = [columns[:, i * c : (i + w) * c] for i in range(k)]
    return _weighted_sum(shifted, weights).reshape(h, w, c)


def _pad_mirrored(image: Image, radius: int, axis: int) -> Image:
    """Pads both sides with ``radius`` mirrored pixels; the outermost pixel is not repeated."""
    size = image.shape[axis]
    before = jax.lax.slice_in_dim(image, 1, 1 + radius, axis=axis)
    after = jax.lax.slice_in_dim(image, size - 1 - radius, size - 1, axis=axis)
    return jnp.concatenate([jnp.flip(before, axis), image, jnp.flip(after, axis)], axis)


def _weighted_sum(parts: list[Array], weights: Float[Array, " k"]) -> Array:
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))


@on_pixels
def gaussian_blur(
    key: PRNGKeyArray,
    image: Image,
    *,
    sigma: tuple[float, float] = (0.1, 2.0),
    kernel_size: int | None = None,
    probability: float = 0.5,
) -> Image:
    """Blurs with a Gaussian of random width.

    Blur removes fine detail, on which a network could otherwise rely to match views.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      sigma: smallest and largest standard deviation in pixels; the draw is uniform.
      kernel_size: number of taps, odd; None means a tenth of the image's smaller side, made odd,
        at least 3.
      probability: probability of blurring.

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
    weights = jnp.where(draws[1] < probability, blurred, unchanged.astype(blurred.dtype))
    return jnp.clip(_convolve(image, weights), 0.0, 1.0)
