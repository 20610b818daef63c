"""Crops and flips. A crop with its resize is two small matrix products, without a gather."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, channels_first, channels_last

_ATTEMPTS = 10


def crop_and_resize(
    image: Image,
    top: Scalar | int,
    left: Scalar | int,
    height: Scalar | int,
    width: Scalar | int,
    *,
    size: int | tuple[int, int],
) -> Image:
    """Cut a box out of the image and resize it, bilinear with antialiasing.

    ``out = R_y @ box @ R_x^T``, where row ``i`` of ``R`` holds the triangle filter around output
    pixel ``i``'s centre, widened by the scale when shrinking, normalised over the box's pixels.

    Args:
      image: ``[h, w, c]``.
      top: first row of the box, a whole number; may be traced, as the next three.
      left: first column.
      height: rows of the box, at least 1; the box lies within the image.
      width: columns of the box, at least 1.
      size: of the result, ``(h, w)`` or one number for both.

    Returns:
      ``[size, size, c]``.

    References:
      Pillow's ``Image.resize(..., Resampling.BILINEAR)``, of which this is the arithmetic without
      rounding to bytes.
    """
    out_h, out_w = (size, size) if isinstance(size, int) else size
    h, w, c = image.shape
    rows = _resampling(h, out_h, top, height, image.dtype)
    columns = _resampling(w, out_w, left, width, image.dtype)
    tall = channels_first((rows @ image.reshape(h, w * c)).reshape(out_h, w, c))
    planes = (tall.reshape(c * out_h, w) @ columns.T).reshape(c, out_h, out_w)
    return channels_last(jnp.clip(planes, 0.0, 1.0))


def _resampling(
    size: int, out_size: int, start: Scalar | int, length: Scalar | int, dtype: jnp.dtype
) -> Float[Array, "out in"]:
    """The matrix from ``size`` pixels, of which ``length`` are read, to ``out_size`` pixels."""
    scale = jnp.asarray(length, dtype) / out_size
    centers = start + (jnp.arange(out_size, dtype=dtype) + 0.5) * scale
    pixels = jnp.arange(size, dtype=dtype) + 0.5
    distance = jnp.abs(pixels[None, :] - centers[:, None]) / jnp.maximum(scale, 1.0)
    inside = (pixels > start) & (pixels < start + length)
    weights = jnp.where(inside[None, :], jnp.maximum(1.0 - distance, 0.0), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def random_resized_crop(
    key: PRNGKeyArray,
    image: Image,
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Image:
    """The Inception crop: a box of random area and aspect ratio, resized.

    Area fraction uniform, aspect ratio log-uniform, position uniform over whole pixels. The first
    of ten draws that fits is taken; if none does, the largest centred box within the aspect range.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      size: of the result, ``(h, w)`` or one number for both; None keeps the image's.
      area: smallest and largest share of the image's area, in (0, 1].
      aspect: smallest and largest width / height.

    Returns:
      ``[size, size, c]`` in [0, 1].

    References:
      Szegedy et al., Going Deeper with Convolutions, 2015, section 6,
      https://arxiv.org/abs/1409.4842
    """
    h, w, _ = image.shape
    top, left, height, width = _inception_box(key, h, w, area, aspect)
    return crop_and_resize(image, top, left, height, width, size=size or (h, w))


def _inception_box(
    key: PRNGKeyArray, h: int, w: int, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[Int[Array, ""], Int[Array, ""], Int[Array, ""], Int[Array, ""]]:
    """Top, left, height and width."""
    draws = jax.random.uniform(key, (2 * _ATTEMPTS + 2,))
    area_draws, aspect_draws = draws[:_ATTEMPTS], draws[_ATTEMPTS:-2]
    target = h * w * (area[0] + (area[1] - area[0]) * area_draws)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratio = jnp.exp(low + (high - low) * aspect_draws)
    widths = jnp.round(jnp.sqrt(target * ratio)).astype(jnp.int32)
    heights = jnp.round(jnp.sqrt(target / ratio)).astype(jnp.int32)
    fits = (widths > 0) & (widths <= w) & (heights > 0) & (heights <= h)

    largest_w = min(w, max(1, round(h * aspect[1])))
    largest_h = min(h, max(1, round(w / aspect[0])))
    first = jnp.argmax(fits)
    height = jnp.where(fits.any(), heights[first], largest_h)
    width = jnp.where(fits.any(), widths[first], largest_w)
    top = jnp.floor((h - height + 1) * draws[-2]).astype(jnp.int32)
    left = jnp.floor((w - width + 1) * draws[-1]).astype(jnp.int32)
    top = jnp.where(fits.any(), top, (h - largest_h) // 2)
    left = jnp.where(fits.any(), left, (w - largest_w) // 2)
    return top, left, height, width


def random_crop(key: PRNGKeyArray, image: Image, *, padding: int = 4) -> Image:
    """Shift by up to ``padding`` pixels each way: zero border, then a crop of the original size.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      padding: width of the border of zeros, at least 0.

    Returns:
      ``[h, w, c]``.

    References:
      He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2,
      https://arxiv.org/abs/1512.03385
    """
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = jax.random.randint(key, (2,), 0, 2 * padding + 1)
    return jax.lax.dynamic_slice(padded, (top, left, 0), image.shape)


def horizontal_flip(key: PRNGKeyArray, image: Image, *, probability: float = 0.5) -> Image:
    """Mirror left and right.

    Args:
      key: of the draw.
      image: ``[h, w, c]``.
      probability: of being mirrored.

    Returns:
      ``[h, w, c]``.

    References:
      Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012,
      section 4.1.
    """
    planes = channels_first(image)
    mirrored = jax.random.bernoulli(key, probability)
    return channels_last(jnp.where(mirrored, planes[:, :, ::-1], planes))
