"""RandAugment: a few operations, drawn from fourteen, all at one magnitude."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.color import adjust_brightness, adjust_contrast, adjust_saturation
from ssl_jax.augment.compose import Image
from ssl_jax.augment.operations import (
    adjust_sharpness,
    auto_contrast,
    equalize,
    posterize,
    rotation,
    shear,
    solarize,
    translation,
    warp,
)

OPERATIONS = (
    "identity",
    "auto_contrast",
    "equalize",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "rotate",  # this one and all after it are affine maps
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
_FIRST_AFFINE = OPERATIONS.index("rotate")
_LARGEST = 10.0


@on_pixels
def randaugment(
    key: PRNGKeyArray, image: Image, *, layers: int = 2, magnitude: Scalar | float = 9.0
) -> Image:
    """Applies ``layers`` random operations, each at the same magnitude.

    Searching for a good policy of augmentations is expensive. Here only two numbers are left, and
    both can be found by a grid search.

    Each layer draws one of fourteen operations uniformly. With ``m = magnitude / 10`` they are:

    - identity, auto_contrast, equalize: without an amount
    - color, contrast, brightness, sharpness: blended by a factor of ``0.1 + 1.8 m``
    - posterize: ``floor(4 m)`` bits are kept
    - solarize: pixels that round to level ``floor(256 m)`` of 255, or a higher one, are inverted
    - rotate: by ``30 m`` degrees
    - shear_x, shear_y: by ``0.3 m`` pixels per pixel
    - translate_x, translate_y: by ``100 / 224 m`` of the image's side

    Rotations, shears and translations go either way with equal probability; new pixels are gray. As
    in the authors' code, a larger magnitude makes posterize and solarize weaker, and the blends
    change nothing at magnitude 5.

    Deviations from the authors' code: the list of operations is the paper's; the code lacks
    identity, and adds invert, cutout and an addition to dark pixels. Translations scale with the
    image; the code shifts by 100 pixels at every size. Contrast blends with the mean luma, as in
    Pillow; the code blends with the number of pixels divided by 256. Shears fix the image's corner,
    not the center of its first pixel. Pixels are not rounded to bytes after each operation.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      layers: number of operations, the paper's N, at least 0.
      magnitude: the paper's M, from 0 to 10; may be traced. Larger values extrapolate the ranges.

    Returns:
      ``[h, w, c]`` in [0, 1].

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.randaugment import randaugment
      >>> images = jax.numpy.zeros((8, 32, 32, 3))
      >>> keys = jax.random.split(jax.random.key(0), len(images))
      >>> jax.jit(jax.vmap(randaugment))(keys, images).shape
      (8, 32, 32, 3)

    References:
      Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space,
      2019, section 3, https://arxiv.org/abs/1909.13719; the authors' ranges are in
      https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/autoaugment.py
    """
    operations, signs = _draw(key, layers)
    for layer in range(layers):
        image = _apply(image, operations[layer], signs[layer], magnitude)
    return image


def _draw(key: PRNGKeyArray, layers: int) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """Draws each layer's operation, an index into ``OPERATIONS``, and its sign, -1 or 1."""
    draws = jax.random.uniform(key, (2, layers))
    operations = jnp.floor(len(OPERATIONS) * draws[0]).astype(jnp.int32)
    return operations, jnp.where(draws[1] < 0.5, -1.0, 1.0)


def _apply(
    image: Image, operation: Int[Array, ""], sign: Float[Array, ""], magnitude: Scalar | float
) -> Image:
    """Applies one operation; the affine ones share a warp, so that under vmap it is done once."""
    m = jnp.asarray(magnitude, image.dtype) / _LARGEST
    factor = 0.1 + 1.8 * m
    bits = jnp.clip(jnp.floor(4 * m), 0, 8).astype(jnp.int32)
    threshold = (jnp.floor(256 * m) - 0.5) / 255  # between two levels: safe from rounding errors
    matrices = _matrices(image.shape[0], image.shape[1], sign * m)
    matrix = matrices[jnp.maximum(operation - _FIRST_AFFINE, 0)]
    branches = {
        "identity": lambda x: x,
        "auto_contrast": auto_contrast,
        "equalize": equalize,
        "solarize": lambda x: solarize(x, threshold),
        "color": lambda x: adjust_saturation(x, factor),
        "posterize": lambda x: posterize(x, bits),
        "contrast": lambda x: adjust_contrast(x, factor),
        "brightness": lambda x: adjust_brightness(x, factor),
        "sharpness": lambda x: adjust_sharpness(x, factor),
    }
    affine = [lambda x: warp(x, matrix)]
    colors = [branches[name] for name in OPERATIONS[:_FIRST_AFFINE]]
    return jax.lax.switch(jnp.minimum(operation, _FIRST_AFFINE), colors + affine, image)


def _matrices(h: int, w: int, m: Scalar) -> Float[Array, "5 2 3"]:
    """Returns the matrices of the affine operations, in their order, at the signed magnitude."""
    shift = 100 / 224 * m
    return jnp.stack(
        [
            rotation(h, w, 30 * m),
            shear(0.3 * m, 0.0),
            shear(0.0, 0.3 * m),
            translation(shift * w, 0.0),
            translation(0.0, shift * h),
        ]
    )
