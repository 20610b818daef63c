"""Brightness, contrast, saturation, hue, grayscale and solarize, each as Pillow defines it.

Every adjustment clips to [0, 1]. On images with one channel, saturation, hue and grayscale change
nothing; brightness, contrast and solarize act as on color images. Other numbers of channels are
refused with a ValueError, except by brightness and solarize: no luma is known of them.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment._schedule import apply_in_order, compute_once
from ssl_jax.augment.checks import check_colors, on_pixels
from ssl_jax.augment.compose import Image, Planes, channels_first, channels_last

_ORDERS = list(itertools.permutations(("brightness", "contrast", "saturation", "hue")))


@on_pixels
def adjust_brightness(image: Image, factor: Scalar | float) -> Image:
    """Blends with black: ``factor * image``; 1 changes nothing."""
    return channels_last(_brightness(channels_first(image), True, factor))


@on_pixels
def adjust_contrast(image: Image, factor: Scalar | float) -> Image:
    """Blends with the mean luma, one gray for the whole image; 1 changes nothing."""
    check_colors(image)
    return channels_last(_contrast(channels_first(image), True, factor))


@on_pixels
def adjust_saturation(image: Image, factor: Scalar | float) -> Image:
    """Blends with each pixel's own luma; 1 changes nothing, 0 leaves gray."""
    check_colors(image)
    return channels_last(_saturation(channels_first(image), True, factor))


@on_pixels
def adjust_hue(image: Image, shift: Scalar | float) -> Image:
    """Rotates the hue in HSV by ``shift`` turns, from -0.5 to 0.5; 0 changes nothing.

    Value and chroma stay the same: each channel is ``value - chroma * clip(min(k, 4 - k), 0, 1)``
    with ``k = (offset + 6 * hue) mod 6`` and offsets 5, 3 and 1 for red, green and blue.
    """
    check_colors(image)
    if image.shape[-1] == 1:
        return image
    return channels_last(_hue(channels_first(image), True, shift))


@on_pixels
def color_jitter(
    key: PRNGKeyArray,
    image: Image,
    *,
    brightness: float = 0.8,
    contrast: float = 0.8,
    saturation: float = 0.8,
    hue: float = 0.2,
    probability: float = 0.8,
) -> Image:
    """Changes brightness, contrast, saturation and hue by random amounts, in random order.

    Crops of one image have similar colors; without jitter a network could match them by color.
    Factors are uniform in ``[max(0, 1 - x), 1 + x]``, the hue shift in ``[-hue, hue]``; each of the
    24 orders is equally likely.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      brightness: ``x`` of the brightness factor, at least 0.
      contrast: ``x`` of the contrast factor, at least 0.
      saturation: ``x`` of the saturation factor, at least 0.
      hue: largest hue shift, in turns, from 0 to 0.5.
      probability: probability of changing the image at all.

    Returns:
      ``[h, w, c]`` in [0, 1].

    Examples:
      >>> import jax
      >>> from ssl_jax import augment
      >>> image = jax.numpy.full((32, 32, 3), 0.5)
      >>> jitter = jax.jit(augment.color_jitter)
      >>> jitter(jax.random.key(0), image).shape
      (32, 32, 3)

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      appendix A, https://arxiv.org/abs/2002.05709
    """
    check_colors(image)
    strengths = {
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "hue": hue,
    }
    order, amounts = _draw(key, strengths, probability)
    adjustments = _GRAY_ADJUSTMENTS if image.shape[-1] == 1 else _ADJUSTMENTS
    operations = {
        name: partial(adjust, amount=amounts[name])
        for name, adjust in adjustments.items()
        if strengths[name] > 0
    }
    return channels_last(apply_in_order(channels_first(image), operations, _ORDERS, order))


def _draw(
    key: PRNGKeyArray, strengths: dict[str, float], probability: float
) -> tuple[Int[Array, ""], dict[str, Scalar]]:
    """Draws the amount of each adjustment and an order's number: ``len(_ORDERS)`` is no change."""
    draws = jax.random.uniform(key, (6,))
    strength = np.array(list(strengths.values()), np.float32)
    neutral = np.array([1, 1, 1, 0], np.float32)
    low = np.maximum(neutral - strength, [0, 0, 0, -np.inf]).astype(np.float32)
    high = neutral + strength
    amounts = low + (high - low) * draws[:4]
    order = jnp.floor(len(_ORDERS) * draws[4]).astype(jnp.int32)
    order = jnp.where(draws[5] < probability, order, len(_ORDERS))
    return order, {name: amounts[i] for i, name in enumerate(strengths)}


# Each adjustment returns the planes unchanged where it is not used.


def _brightness(planes: Planes, used: Scalar | bool, amount: Scalar | float) -> Planes:
    return _blend(planes, 0.0, jnp.where(used, amount, 1.0))


def _contrast(planes: Planes, used: Scalar | bool, amount: Scalar | float) -> Planes:
    gray = jnp.where(used, _luma(planes).mean(), 0.0)
    return _blend(planes, gray, jnp.where(used, amount, 1.0))


def _saturation(planes: Planes, used: Scalar | bool, amount: Scalar | float) -> Planes:
    planes = compute_once(planes)
    gray = jnp.where(used, _luma(planes), 0.0)
    return _blend(planes, gray, jnp.where(used, amount, 1.0))


def _hue(planes: Planes, used: Scalar | bool, amount: Scalar | float) -> Planes:
    planes = compute_once(planes)
    r, g, b = planes
    value = jnp.maximum(jnp.maximum(r, g), b)
    chroma = value - jnp.minimum(jnp.minimum(r, g), b)
    inverse = 1 / jnp.where(chroma > 0, chroma, 1.0)
    sextant = jnp.where(
        value == r,
        (g - b) * inverse,
        jnp.where(value == g, 2 + (b - r) * inverse, 4 + (r - g) * inverse),
    )
    k = sextant[None] + 6 * amount + jnp.array([5.0, 3.0, 1.0])[:, None, None]
    k = k - 6 * jnp.floor(k / 6)
    value, chroma = (x.astype(k.dtype)[None] for x in (value, chroma))
    rotated = value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0.0, 1.0)
    return jnp.where(used, rotated, planes)


_ADJUSTMENTS = {  # cheapest first
    "brightness": _brightness,
    "saturation": _saturation,
    "hue": _hue,
    "contrast": _contrast,
}
_GRAY_ADJUSTMENTS = {"brightness": _brightness, "contrast": _contrast}


def _blend(
    planes: Planes, base: Float[Array, "1 h w"] | Scalar | float, factor: Scalar | float
) -> Planes:
    """Returns ``base + factor * (planes - base)`` in [0, 1]; base 0 and factor 1 change nothing."""
    return jnp.clip(base + factor * (planes - base), 0.0, 1.0)


def _luma(planes: Planes) -> Float[Array, "1 h w"]:
    """Returns the ITU-R 601 luma."""
    if len(planes) == 1:
        return planes
    r, g, b = planes
    return (0.299 * r + 0.587 * g + 0.114 * b)[None]


@on_pixels
def grayscale(key: PRNGKeyArray, image: Image, *, probability: float = 0.2) -> Image:
    """Replaces the colors by their ITU-R 601 luma; the number of channels stays the same.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      probability: probability of turning gray.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Chen et al., 2020, appendix A, https://arxiv.org/abs/2002.05709
    """
    check_colors(image)
    planes = channels_first(image)
    gray = jnp.clip(_luma(planes), 0.0, 1.0)
    planes = jnp.where(jax.random.bernoulli(key, probability), gray, planes)
    return channels_last(compute_once(planes))


@on_pixels
def solarize(
    key: PRNGKeyArray, image: Image, *, threshold: float = 0.5, probability: float = 0.2
) -> Image:
    """Inverts the pixels at or above the threshold.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      threshold: level from which pixels are inverted, in [0, 1].
      probability: probability of solarizing.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, appendix B, https://arxiv.org/abs/2006.07733
    """
    inverted = jnp.where(image >= threshold, 1.0 - image, image)
    return jnp.where(jax.random.bernoulli(key, probability), inverted, image)
