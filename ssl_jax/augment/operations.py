"""The operations of RandAugment that ``color`` does not have, each as Pillow defines it.

Each is ``f(image, amount) -> image`` and deterministic; amounts may be traced. Images keep their
size. Pillow works on bytes; equalize and posterize round to its 256 levels, the others do not.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, Planes, channels_first, channels_last

_GRAY = 128 / 255
_LEVELS = 256

Matrix = Float[Array, "2 3"]


@on_pixels
def auto_contrast(image: Image) -> Image:
    """Stretches each channel to [0, 1]: ``(x - min) / (max - min)``; a flat channel stays as it is.

    Args:
      image: ``[h, w, c]`` in [0, 1].

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``ImageOps.autocontrast``.
    """
    planes = channels_first(image)
    low = planes.min((1, 2), keepdims=True)
    extent = planes.max((1, 2), keepdims=True) - low
    stretched = jnp.clip((planes - low) / jnp.where(extent > 0, extent, 1.0), 0.0, 1.0)
    return channels_last(jnp.where(extent > 0, stretched, planes))


@on_pixels
def equalize(image: Image) -> Image:
    """Flattens the histogram of each channel, so that all levels become about equally frequent.

    Of ``n`` pixels, those at level ``i`` of 256 go to level
    ``floor((number of pixels below level i + floor(step / 2)) / step)``, at most 255. Here
    ``step = floor((n - number of pixels at the highest level in use) / 255)``. A channel with
    ``step`` 0 stays as it is; so do all images of fewer than 256 pixels. Exact for images of up to
    2**20 pixels.

    Args:
      image: ``[h, w, c]`` in [0, 1].

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``ImageOps.equalize``.
    """
    planes = channels_first(image)
    c = len(planes)
    levels = _levels(planes).reshape(c, -1)
    histogram = jnp.zeros((c, _LEVELS)).at[jnp.arange(c)[:, None], levels].add(1.0)
    below = jnp.cumsum(histogram, axis=1) - histogram
    at_highest = histogram[jnp.arange(c), levels.max(1)][:, None]
    # Floats divide faster than integers, and the compiler divides once per pixel. A half added to
    # the numerator keeps inexact quotients from falling below a whole number.
    step = jnp.floor((levels.shape[1] - at_highest + 0.5) / (_LEVELS - 1))
    below = jnp.take_along_axis(below, levels, axis=1, mode="clip")
    equalized = jnp.floor((below + jnp.floor(step / 2) + 0.5) / jnp.maximum(step, 1.0))
    equalized = jnp.minimum(equalized / (_LEVELS - 1), 1.0).reshape(planes.shape)
    return channels_last(jnp.where(step[:, :, None] > 0, equalized, planes))


def _levels(planes: Planes) -> Int[Array, "c h w"]:
    return jnp.round(planes * (_LEVELS - 1)).astype(jnp.int32)


@on_pixels
def posterize(image: Image, bits: Scalar | int) -> Image:
    """Keeps the highest ``bits`` of each pixel's eight bits and sets the others to 0.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      bits: number of bits, a whole number from 0, which gives black, to 8.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``ImageOps.posterize``.
    """
    removed = 8 - jnp.asarray(bits, jnp.int32)
    levels = (_levels(image) >> removed) << removed
    return levels.astype(image.dtype) / (_LEVELS - 1)


@on_pixels
def solarize(image: Image, threshold: Scalar | float) -> Image:
    """Inverts the pixels at or above the threshold.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      threshold: in [0, 1]; a larger one changes nothing.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``ImageOps.solarize``.
    """
    return jnp.where(image >= threshold, 1.0 - image, image)


@on_pixels
def adjust_sharpness(image: Image, factor: Scalar | float) -> Image:
    """Blends with a smoothed image; 1 changes nothing, 0 smooths, and above 1 sharpens.

    ``smooth + factor * (image - smooth)``, in [0, 1]. A pixel of ``smooth`` is the mean of its
    3 x 3 neighborhood, in which the pixel itself has weight 5 and each neighbor weight 1. The
    outermost pixels of the image have no such neighborhood and stay as they are.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      factor: at least 0.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``ImageEnhance.Sharpness`` and ``ImageFilter.SMOOTH``.
    """
    planes = channels_first(image)
    _, h, w = planes.shape
    padded = jnp.pad(planes, ((0, 0), (1, 1), (1, 1)))
    tall = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    box = tall[:, :, :-2] + tall[:, :, 1:-1] + tall[:, :, 2:]
    smooth = (box + 4 * planes) / 13
    rows, columns = jnp.arange(h)[:, None], jnp.arange(w)[None]
    inside = (rows > 0) & (rows < h - 1) & (columns > 0) & (columns < w - 1)
    smooth = jnp.where(inside, smooth, planes)
    return channels_last(jnp.clip(smooth + factor * (planes - smooth), 0.0, 1.0))


@on_pixels
def rotate(image: Image, degrees: Scalar | float) -> Image:
    """Rotates about the center, counterclockwise; ``warp`` says how pixels are found.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      degrees: angle; negative angles rotate clockwise.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.rotate``.
    """
    h, w, _ = image.shape
    return warp(image, rotation(h, w, degrees))


@on_pixels
def shear_x(image: Image, slope: Scalar | float) -> Image:
    """Shifts each row to the left by ``slope`` times its distance from the top edge.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      slope: pixels per row; negative slopes shift to the right.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.transform`` with ``(1, slope, 0, 0, 1, 0)``.
    """
    return warp(image, shear(slope, 0.0))


@on_pixels
def shear_y(image: Image, slope: Scalar | float) -> Image:
    """Shifts each column up by ``slope`` times its distance from the left edge.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      slope: pixels per column; negative slopes shift down.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.transform`` with ``(1, 0, 0, slope, 1, 0)``.
    """
    return warp(image, shear(0.0, slope))


@on_pixels
def translate_x(image: Image, pixels: Scalar | float) -> Image:
    """Shifts the image to the left.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      pixels: length of the shift; negative lengths shift to the right.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.transform`` with ``(1, 0, pixels, 0, 1, 0)``.
    """
    return warp(image, translation(pixels, 0.0))


@on_pixels
def translate_y(image: Image, pixels: Scalar | float) -> Image:
    """Shifts the image up.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      pixels: length of the shift; negative lengths shift down.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.transform`` with ``(1, 0, 0, 0, 1, pixels)``.
    """
    return warp(image, translation(0.0, pixels))


@on_pixels
def warp(image: Image, matrix: Matrix) -> Image:
    """Moves pixels by an affine map, to the nearest pixel; new pixels are gray, at 128 / 255.

    Output pixel ``(x, y)`` is the input pixel that contains ``matrix @ (x + 1/2, y + 1/2, 1)``.

    Args:
      image: ``[h, w, c]`` in [0, 1].
      matrix: ``[2, 3]``, from output coordinates to input coordinates, in pixels from the top left
        corner, ``x`` before ``y``; may be traced.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Pillow's ``Image.transform(size, AFFINE, matrix, Resampling.NEAREST)``.
    """
    planes = channels_first(image)
    c, h, w = planes.shape
    x = jnp.arange(w, dtype=matrix.dtype)[None] + 0.5
    y = jnp.arange(h, dtype=matrix.dtype)[:, None] + 0.5
    columns, rows = (
        jnp.floor(row[0] * x + row[1] * y + row[2]).astype(jnp.int32) for row in matrix
    )
    inside = (columns >= 0) & (columns < w) & (rows >= 0) & (rows < h)
    pixels = jnp.where(inside, rows * w + columns, 0)
    moved = planes.reshape(c, h * w)[:, pixels]
    return channels_last(jnp.where(inside, moved, _GRAY))


def rotation(h: int, w: int, degrees: Scalar | float) -> Matrix:
    """Returns the matrix that rotates an image of ``h`` by ``w`` pixels about its center."""
    radians = jnp.deg2rad(degrees)
    cos, sin = jnp.cos(radians), jnp.sin(radians)
    x, y = w / 2, h / 2
    return jnp.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])


def shear(x: Scalar | float, y: Scalar | float) -> Matrix:
    """Returns the matrix that shears by ``x`` pixels per row and ``y`` pixels per column."""
    return jnp.array([[1.0, x, 0.0], [y, 1.0, 0.0]])


def translation(x: Scalar | float, y: Scalar | float) -> Matrix:
    """Returns the matrix that shifts by ``x`` pixels to the left and ``y`` pixels up."""
    return jnp.array([[1.0, 0.0, x], [0.0, 1.0, y]])
