"""Crops and flips. A crop and its resize are two small matrix products, without a gather."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, channels_first, channels_last

Interpolation = Literal["bilinear", "bicubic"]
_ATTEMPTS = 10


@on_pixels
def crop_and_resize(
    image: Image,
    top: Scalar | int,
    left: Scalar | int,
    height: Scalar | int,
    width: Scalar | int,
    *,
    size: int | tuple[int, int],
    interpolation: Interpolation = "bilinear",
) -> Image:
    """Cuts a box out of the image and resizes it with antialiasing.

    ``out = R_y @ box @ R_x^T``. Row ``i`` of ``R`` is a filter around the center of output pixel
    ``i``: a triangle, or a cubic. It is widened by the scale when shrinking, and its weights sum to
    1 over the box.

    Args:
      image: ``[h, w, c]``.
      top: first row of the box, a whole number. All four numbers may be traced.
      left: first column of the box.
      height: number of rows, at least 1; the box lies within the image.
      width: number of columns, at least 1.
      size: size of the result, ``(h, w)`` or one number for both.
      interpolation: ``bilinear`` or ``bicubic``.

    Returns:
      ``[size, size, c]`` in [0, 1].

    References:
      Pillow's ``Image.resize`` with ``Resampling.BILINEAR`` or ``BICUBIC``: the same arithmetic,
      without rounding to bytes.
    """
    out_h, out_w = (size, size) if isinstance(size, int) else size
    h, w, c = image.shape
    rows = _resampling(h, out_h, top, height, interpolation, image.dtype)
    columns = _resampling(w, out_w, left, width, interpolation, image.dtype)
    tall = channels_first((rows @ image.reshape(h, w * c)).reshape(out_h, w, c))
    planes = (tall.reshape(c * out_h, w) @ columns.T).reshape(c, out_h, out_w)
    return channels_last(jnp.clip(planes, 0.0, 1.0))


def _resampling(
    size: int,
    out_size: int,
    start: Scalar | int,
    length: Scalar | int,
    interpolation: Interpolation,
    dtype: jnp.dtype,
) -> Float[Array, "out in"]:
    """Returns the matrix that resizes ``length`` pixels, from ``start``, to ``out_size`` pixels."""
    start, stop, length = (jnp.asarray(x, dtype) for x in (start, start + length, length))
    scale = length / out_size
    centers = start + (jnp.arange(out_size, dtype=dtype) + 0.5) * scale
    pixels = jnp.arange(size, dtype=dtype) + 0.5
    distance = jnp.abs(pixels[None, :] - centers[:, None]) / jnp.maximum(scale, 1.0)
    inside = (pixels > start) & (pixels < stop)
    weights = jnp.where(inside[None, :], _FILTERS[interpolation](distance), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _triangle(x: Float[Array, "out in"]) -> Float[Array, "out in"]:
    return jnp.maximum(1.0 - x, 0.0)


def _cubic(x: Float[Array, "out in"]) -> Float[Array, "out in"]:
    """Keys 1981, with a = -1/2."""
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x < 1, near, jnp.where(x < 2, far, 0.0))


_FILTERS = {"bilinear": _triangle, "bicubic": _cubic}


@on_pixels
def random_resized_crop(
    key: PRNGKeyArray,
    image: Image,
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    interpolation: Interpolation = "bilinear",
    picture_aspect: Scalar | float | None = None,
) -> Image:
    """Crops a box of random area and aspect ratio and resizes it: the Inception crop.

    Two crops of one image show different parts of it at different scales; a network that matches
    them has to recognize what they have in common.

    The area is uniform, the aspect ratio log-uniform, and the position uniform over whole pixels.
    The first of ten draws that fits is used. If none fits, the crop is the largest centered box
    within the aspect range.

    An image may be a picture that was squeezed into another shape, such as a square. With its true
    aspect ratio in ``picture_aspect``, boxes have their aspect ratio in the picture, and the result
    is no longer squeezed.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      size: size of the result, ``(h, w)`` or one number for both; None keeps the image's size.
      area: smallest and largest fraction of the image's area, in (0, 1].
      aspect: smallest and largest aspect ratio, width / height.
      interpolation: ``bilinear`` or ``bicubic``.
      picture_aspect: width / height of the picture that the image was squeezed from; may be traced.
        None: it was not squeezed.

    Returns:
      ``[size, size, c]`` in [0, 1].

    Examples:
      >>> import jax
      >>> from ssl_jax import augment
      >>> image = jax.numpy.zeros((48, 64, 3))
      >>> augment.random_resized_crop(jax.random.key(0), image, size=32).shape
      (32, 32, 3)

    References:
      Szegedy et al., Going Deeper with Convolutions, 2015, section 6,
      https://arxiv.org/abs/1409.4842
    """
    h, w, _ = image.shape
    stretch = 1.0 if picture_aspect is None else picture_aspect * h / w
    top, left, height, width = _inception_box(key, h, w, area, aspect, stretch)
    size = size or (h, w)
    return crop_and_resize(image, top, left, height, width, size=size, interpolation=interpolation)


def _inception_box(
    key: PRNGKeyArray,
    h: int,
    w: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    stretch: Scalar | float,
) -> tuple[Int[Array, ""], Int[Array, ""], Int[Array, ""], Int[Array, ""]]:
    """Draws top, left, height and width; pixels are ``stretch`` times as wide as they are high."""
    draws = jax.random.uniform(key, (2 * _ATTEMPTS + 2,))
    area_draws, aspect_draws = draws[:_ATTEMPTS], draws[_ATTEMPTS:-2]
    target = h * w * (area[0] + (area[1] - area[0]) * area_draws)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratio = jnp.exp(low + (high - low) * aspect_draws) / stretch
    widths = jnp.round(jnp.sqrt(target * ratio)).astype(jnp.int32)
    heights = jnp.round(jnp.sqrt(target / ratio)).astype(jnp.int32)
    fits = (widths > 0) & (widths <= w) & (heights > 0) & (heights <= h)

    largest_w = jnp.clip(jnp.round(h * aspect[1] / stretch), 1, w).astype(jnp.int32)
    largest_h = jnp.clip(jnp.round(w / aspect[0] * stretch), 1, h).astype(jnp.int32)
    first = jnp.argmax(fits)
    height = jnp.where(fits.any(), heights[first], largest_h)
    width = jnp.where(fits.any(), widths[first], largest_w)
    top, left = _position(h - height, draws[-2]), _position(w - width, draws[-1])
    top = jnp.where(fits.any(), top, (h - largest_h) // 2)
    left = jnp.where(fits.any(), left, (w - largest_w) // 2)
    return top, left, height, width


def _position(largest: Int[Array, ""], draw: Float[Array, ""]) -> Int[Array, ""]:
    """Returns a whole number from 0 to ``largest``, by a uniform draw from [0, 1)."""
    return jnp.floor((largest + 1).astype(draw.dtype) * draw).astype(jnp.int32)


@on_pixels
def random_square(
    key: PRNGKeyArray,
    image: Image,
    *,
    size: int | None = None,
    interpolation: Interpolation = "bilinear",
    picture_aspect: Scalar | float | None = None,
) -> Image:
    """Crops the largest square, at a random place along the longer side, and resizes it.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      size: side of the result; None keeps the shorter side.
      interpolation: ``bilinear`` or ``bicubic``.
      picture_aspect: as for ``random_resized_crop``.

    Returns:
      ``[size, size, c]`` in [0, 1].

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles,
      2016, cut their squares from images that are resized by their shorter side,
      https://arxiv.org/abs/1603.09246
    """
    h, w, _ = image.shape
    height, width = _square(h, w, picture_aspect)
    draws = jax.random.uniform(key, (2,))
    top, left = _position(h - height, draws[0]), _position(w - width, draws[1])
    size = size or min(h, w)
    return crop_and_resize(image, top, left, height, width, size=size, interpolation=interpolation)


@on_pixels
def center_crop(
    image: Image,
    *,
    size: int | None = None,
    share: float = 1.0,
    interpolation: Interpolation = "bilinear",
    picture_aspect: Scalar | float | None = None,
) -> Image:
    """Crops a square out of the center and resizes it.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      size: side of the result; None keeps the shorter side.
      share: side of the square, as a fraction of the picture's shorter side, in (0, 1].
      interpolation: ``bilinear`` or ``bicubic``.
      picture_aspect: as for ``random_resized_crop``.

    Returns:
      ``[size, size, c]`` in [0, 1].
    """
    h, w, _ = image.shape
    height, width = _square(h, w, picture_aspect, share)
    top, left = (h - height) // 2, (w - width) // 2
    size = size or min(h, w)
    return crop_and_resize(image, top, left, height, width, size=size, interpolation=interpolation)


def _square(
    h: int, w: int, picture_aspect: Scalar | float | None, share: float = 1.0
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Returns height and width of a square of the picture, in pixels of the squeezed image."""
    aspect = w / h if picture_aspect is None else picture_aspect
    height = jnp.round(h * share * jnp.minimum(1, aspect))
    width = jnp.round(w * share * jnp.minimum(1, 1 / aspect))
    return jnp.maximum(1, height).astype(jnp.int32), jnp.maximum(1, width).astype(jnp.int32)


@on_pixels
def random_crop(key: PRNGKeyArray, image: Image, *, padding: int = 4) -> Image:
    """Adds a border of zeros and crops to the original size: a shift by up to ``padding`` pixels.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      padding: width of the border in pixels, at least 0.

    Returns:
      ``[h, w, c]``.

    References:
      He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2,
      https://arxiv.org/abs/1512.03385
    """
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = jax.random.randint(key, (2,), 0, 2 * padding + 1)
    return jax.lax.dynamic_slice(padded, (top, left, 0), image.shape)


@on_pixels
def horizontal_flip(key: PRNGKeyArray, image: Image, *, probability: float = 0.5) -> Image:
    """Flips the image left to right.

    Args:
      key: PRNG key.
      image: ``[h, w, c]``.
      probability: probability of flipping.

    Returns:
      ``[h, w, c]``.

    References:
      Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012,
      section 4.1.
    """
    planes = channels_first(image)
    flipped = jax.random.bernoulli(key, probability)
    return channels_last(jnp.where(flipped, planes[:, :, ::-1], planes))
