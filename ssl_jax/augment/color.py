"""Brightness, contrast, saturation, hue, grey and solarisation, each as Pillow defines it.

Every adjustment ends in [0, 1]. On images of one channel saturation, hue and grayscale have nothing
to change; brightness, contrast and solarisation act as on colour.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, Plane, chosen, merged, planes

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_ORDERS = np.array(list(itertools.permutations(range(4))))


def _luma(channels: list[Plane]) -> Plane:
    """ITU-R 601 luma."""
    if len(channels) == 1:
        return channels[0]
    r, g, b = channels
    return 0.299 * r + 0.587 * g + 0.114 * b


def _blend(
    channels: list[Plane], kind: Int[Array, ""] | int, factor: Scalar | float
) -> list[Plane]:
    """``base + factor * (image - base)``: brightness, contrast or saturation by their base.

    It is black, the mean of the luma, or the luma of each pixel.
    """
    luma = _luma(channels)
    base = jnp.where(kind == SATURATION, luma, jnp.where(kind == CONTRAST, luma.mean(), 0.0))
    return [jnp.clip(base + factor * (x - base), 0.0, 1.0) for x in channels]


def _turn_hue(channels: list[Plane], shift: Scalar | float) -> list[Plane]:
    r, g, b = channels
    value = jnp.maximum(jnp.maximum(r, g), b)
    chroma = value - jnp.minimum(jnp.minimum(r, g), b)
    over = 1 / jnp.where(chroma > 0, chroma, 1.0)
    sextant = jnp.where(
        value == r, (g - b) * over, jnp.where(value == g, 2 + (b - r) * over, 4 + (r - g) * over)
    )

    def turned(offset: float) -> Plane:
        k = sextant + 6 * shift + offset
        k = k - 6 * jnp.floor(k / 6)
        return jnp.clip(value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0.0, 1.0), 0.0, 1.0)

    return [turned(offset) for offset in (5.0, 3.0, 1.0)]


def adjust_brightness(image: Image, factor: Scalar | float) -> Image:
    """Blend with black: ``factor * image``; 1 changes nothing."""
    return merged(_blend(planes(image), BRIGHTNESS, factor))


def adjust_contrast(image: Image, factor: Scalar | float) -> Image:
    """Blend with the mean of the luma, one grey for the whole image; 1 changes nothing."""
    return merged(_blend(planes(image), CONTRAST, factor))


def adjust_saturation(image: Image, factor: Scalar | float) -> Image:
    """Blend with the image's own luma; 1 changes nothing, 0 leaves grey."""
    return merged(_blend(planes(image), SATURATION, factor))


def adjust_hue(image: Image, shift: Scalar | float) -> Image:
    """Turn the hue in HSV by ``shift`` turns, from -0.5 to 0.5; 0 changes nothing.

    Value and chroma stay: each channel is ``value - chroma * clip(min(k, 4 - k), 0, 1)`` with
    ``k = (offset + 6 * hue) mod 6`` and offsets 5, 3 and 1 for red, green and blue.
    """
    return image if image.shape[-1] == 1 else merged(_turn_hue(planes(image), shift))


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
    """Change brightness, contrast, saturation and hue, in random order.

    Factors are uniform in ``[max(0, 1 - x), 1 + x]``, the hue's turn in ``[-hue, hue]``; each of
    the 24 orders is equally likely.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      brightness: ``x`` of the brightness factor, at least 0.
      contrast: ``x`` of the contrast factor, at least 0.
      saturation: ``x`` of the saturation factor, at least 0.
      hue: largest turn, in turns, from 0 to 0.5.
      probability: of being changed at all.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      appendix A, https://arxiv.org/abs/2002.05709
    """
    strengths = (brightness, contrast, saturation, hue)
    apply_key, draw_key = jax.random.split(key)
    order, amounts = _draw(draw_key, strengths)
    active = [kind for kind, strength in enumerate(strengths) if strength > 0]
    if image.shape[-1] == 1:
        active = [kind for kind in active if kind in (BRIGHTNESS, CONTRAST)]
    changed = _adjusted(planes(image), order, amounts, active)
    return merged(chosen(jax.random.bernoulli(apply_key, probability), changed, planes(image)))


def _draw(
    key: PRNGKeyArray, strengths: tuple[float, ...]
) -> tuple[Int[Array, ""], Float[Array, "4"]]:
    """Which of the 24 orders, and how much of each adjustment."""
    order_key, amount_key = jax.random.split(key)
    spread, center = np.array(strengths, np.float32), np.array([1, 1, 1, 0], np.float32)
    low = np.maximum(center - spread, [0, 0, 0, -strengths[HUE]]).astype(np.float32)
    amounts = jax.random.uniform(amount_key, (4,), jnp.float32, low, center + spread)
    return jax.random.randint(order_key, (), 0, len(_ORDERS)), amounts


def _adjusted(
    channels: list[Plane], order: Int[Array, ""], amounts: Float[Array, "4"], active: list[int]
) -> list[Plane]:
    """The active adjustments in their order.

    Under vmap each image has another order and all of a choice is computed. So the blends are one
    operation that varies in its base, and the hue, which is none, is tried before each of them.
    """
    blends = [kind for kind in active if kind != HUE]
    kinds = jnp.array([[kind for kind in one if kind in blends] for one in _ORDERS])[order]
    place = np.array([sum(kind in blends for kind in one[: [*one].index(HUE)]) for one in _ORDERS])
    for i in range(len(blends) + 1):
        if HUE in active:
            turned = _turn_hue(channels, amounts[HUE])
            channels = chosen(jnp.asarray(place)[order] == i, turned, channels)
        if i < len(blends):
            channels = _blend(channels, kinds[i], amounts[kinds[i]])
    return channels


def grayscale(key: PRNGKeyArray, image: Image, *, probability: float = 0.2) -> Image:
    """Replace the colours by their ITU-R 601 luma, in as many channels as there were.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      probability: of becoming grey.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Chen et al., 2020, appendix A, https://arxiv.org/abs/2002.05709
    """
    channels = planes(image)
    gray = [jnp.clip(_luma(channels), 0.0, 1.0)] * len(channels)
    return merged(chosen(jax.random.bernoulli(key, probability), gray, channels))


def solarize(
    key: PRNGKeyArray, image: Image, *, threshold: float = 0.5, probability: float = 0.2
) -> Image:
    """Invert the pixels at or above the threshold.

    Args:
      key: of the draw.
      image: ``[h, w, c]`` in [0, 1].
      threshold: in [0, 1].
      probability: of being solarised.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, appendix B, https://arxiv.org/abs/2006.07733
    """
    channels = planes(image)
    inverted = [jnp.where(x >= threshold, 1.0 - x, x) for x in channels]
    return merged(chosen(jax.random.bernoulli(key, probability), inverted, channels))
