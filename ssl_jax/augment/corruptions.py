"""Corruptions that test how robust a representation is, each ``f(key, image, *, strength)``.

Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, 2019, https://arxiv.org/abs/1903.12261, in its variant for images of 32 x 32 pixels,
CIFAR-10-C. The constants of its five strengths are from
https://github.com/hendrycks/robustness/blob/master/ImageNet-C/create_c/make_cifar_c.py. They belong
in an evaluation: a network that trained on a corruption is no longer tested by it.

Deviations: lengths are relative to the image's side, so that other sizes are corrupted alike.
Results are not rounded to bytes. The borders of the blur are mirrored; the authors repeat the
outermost pixel.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ssl_jax.augment.blur import blur
from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, channels_first, channels_last

NOISE = (0.04, 0.06, 0.08, 0.09, 0.10)
BLUR = (0.4, 0.6, 0.7, 0.8, 1.0)
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
PIXELATION = (0.95, 0.9, 0.85, 0.75, 0.65)
_SIDE = 32  # of CIFAR's images, for which the constants were chosen


@on_pixels
def gaussian_noise(key: PRNGKeyArray, image: Image, *, strength: int) -> Image:
    """Adds Gaussian noise to each pixel and channel.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      strength: from 1 to 5; the standard deviation is 0.04, 0.06, 0.08, 0.09 or 0.10.

    Returns:
      ``[h, w, c]`` in [0, 1].

    Examples:
      >>> import jax
      >>> from ssl_jax.augment import corruptions
      >>> image = jax.numpy.full((32, 32, 3), 0.5)
      >>> noisy = corruptions.gaussian_noise(jax.random.key(0), image, strength=5)
      >>> f"{noisy.std():.2f}"
      '0.10'

    References:
      Hendrycks and Dietterich, 2019, section 3, https://arxiv.org/abs/1903.12261
    """
    noise = jax.random.normal(key, image.shape, image.dtype)
    return jnp.clip(image + _constant(NOISE, strength) * noise, 0.0, 1.0)


@on_pixels
def gaussian_blur(key: PRNGKeyArray, image: Image, *, strength: int) -> Image:
    """Blurs with a Gaussian, cut off at four standard deviations.

    Args:
      key: not used.
      image: ``[h, w, c]`` in [0, 1].
      strength: from 1 to 5; the standard deviation is 0.4, 0.6, 0.7, 0.8 or 1 pixel for an image
        whose smaller side is 32 pixels, and proportional to that side.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Hendrycks and Dietterich, 2019, section 3, https://arxiv.org/abs/1903.12261; it is one of
      CIFAR-10-C's additional corruptions.
    """
    del key
    sigma = _constant(BLUR, strength) * min(image.shape[:2]) / _SIDE
    radius = math.floor(4 * sigma + 0.5)
    return jnp.clip(blur(image, sigma, kernel_size=2 * radius + 1), 0.0, 1.0)


@on_pixels
def contrast(key: PRNGKeyArray, image: Image, *, strength: int) -> Image:
    """Moves each pixel towards its channel's mean: ``mean + factor * (x - mean)``.

    Args:
      key: not used.
      image: ``[h, w, c]`` in [0, 1].
      strength: from 1 to 5; the factor is 0.75, 0.5, 0.4, 0.3 or 0.15.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Hendrycks and Dietterich, 2019, section 3, https://arxiv.org/abs/1903.12261
    """
    del key
    mean = image.mean((0, 1), keepdims=True)
    return jnp.clip(mean + _constant(CONTRAST, strength) * (image - mean), 0.0, 1.0)


@on_pixels
def pixelate(key: PRNGKeyArray, image: Image, *, strength: int) -> Image:
    """Shrinks the image with a box filter and enlarges it again, which repeats pixels.

    Args:
      key: not used.
      image: ``[h, w, c]`` in [0, 1].
      strength: from 1 to 5; the image is shrunk to 0.95, 0.9, 0.85, 0.75 or 0.65 of its sides,
        rounded down to whole pixels, at least one.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Hendrycks and Dietterich, 2019, section 3, https://arxiv.org/abs/1903.12261; Pillow's
      ``Image.resize(..., Resampling.BOX)``.
    """
    del key
    factor = _constant(PIXELATION, strength)
    rows, columns = (_shrink_and_enlarge(side, factor) for side in image.shape[:2])
    planes = jnp.asarray(rows) @ channels_first(image) @ jnp.asarray(columns).T
    return channels_last(jnp.clip(planes, 0.0, 1.0))


def _shrink_and_enlarge(side: int, factor: float) -> Float[np.ndarray, "side side"]:
    """Returns the matrix that resizes ``side`` pixels to a smaller number and back."""
    small = max(1, int(side * factor))
    return (_box_filter(small, side) @ _box_filter(side, small)).astype(np.float32)


def _box_filter(size: int, out_size: int) -> Float[np.ndarray, "out in"]:
    """Returns the matrix that resizes ``size`` pixels to ``out_size`` pixels.

    Row ``i`` is the mean of the pixels whose centers lie within output pixel ``i``; where output
    pixels are the smaller ones, it is the input pixel that contains the center.
    """
    scale = size / out_size
    centers = (np.arange(out_size)[:, None] + 0.5) * scale
    distance = (np.arange(size) + 0.5 - centers) / max(scale, 1.0)
    weights = ((distance > -0.5) & (distance <= 0.5)).astype(np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


def _constant(constants: tuple[float, ...], strength: int) -> float:
    if strength not in range(1, len(constants) + 1):
        raise ValueError(f"strength must be from 1 to {len(constants)}, not {strength}")
    return constants[strength - 1]


CORRUPTIONS = {
    "noise": gaussian_noise,
    "blur": gaussian_blur,
    "contrast": contrast,
    "pixelation": pixelate,
}
