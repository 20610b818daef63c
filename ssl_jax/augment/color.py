"""Brightness, contrast, saturation, hue, grey and solarisation, each as Pillow defines it.

Every adjustment ends in [0, 1]. On images of one channel saturation, hue and grayscale have nothing
to change; brightness, contrast and solarisation act as on colour.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, Planes, channels_first, channels_last

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_ORDERS = list(itertools.permutations(range(4)))
_SIDE = (BRIGHTNESS, SATURATION, BRIGHTNESS, HUE, BRIGHTNESS, SATURATION, BRIGHTNESS)
_PLACES = (*_SIDE, CONTRAST, *_SIDE)  # every order is among them, with what is dear seldom


def _luma(planes: Planes) -> Float[Array, "h w"]:
    """ITU-R 601 luma."""
    if len(planes) == 1:
        return planes[0]
    r, g, b = planes
    return 0.299 * r + 0.587 * g + 0.114 * b


def _blend(
    planes: Planes, base: Float[Array, "h w"] | Scalar | float, factor: Scalar | float
) -> Planes:
    return jnp.clip(base + factor * (planes - base), 0.0, 1.0)


def _turn_hue(planes: Planes, shift: Scalar | float) -> Planes:
    r, g, b = planes
    value = jnp.maximum(jnp.maximum(r, g), b)
    chroma = value - jnp.minimum(jnp.minimum(r, g), b)
    over = 1 / jnp.where(chroma > 0, chroma, 1.0)
    sextant = jnp.where(
        value == r, (g - b) * over, jnp.where(value == g, 2 + (b - r) * over, 4 + (r - g) * over)
    )
    k = sextant + 6 * shift + jnp.array([5.0, 3.0, 1.0])[:, None, None]
    k = k - 6 * jnp.floor(k / 6)
    return value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0.0, 1.0)


def adjust_brightness(image: Image, factor: Scalar | float) -> Image:
    """Blend with black: ``factor * image``; 1 changes nothing."""
    return channels_last(_blend(channels_first(image), 0.0, factor))


def adjust_contrast(image: Image, factor: Scalar | float) -> Image:
    """Blend with the mean of the luma, one grey for the whole image; 1 changes nothing."""
    planes = channels_first(image)
    return channels_last(_blend(planes, _luma(planes).mean(), factor))


def adjust_saturation(image: Image, factor: Scalar | float) -> Image:
    """Blend with the image's own luma; 1 changes nothing, 0 leaves grey."""
    planes = channels_first(image)
    return channels_last(_blend(planes, _luma(planes), factor))


def adjust_hue(image: Image, shift: Scalar | float) -> Image:
    """Turn the hue in HSV by ``shift`` turns, from -0.5 to 0.5; 0 changes nothing.

    Value and chroma stay: each channel is ``value - chroma * clip(min(k, 4 - k), 0, 1)`` with
    ``k = (offset + 6 * hue) mod 6`` and offsets 5, 3 and 1 for red, green and blue.
    """
    if image.shape[-1] == 1:
        return image
    return channels_last(_turn_hue(channels_first(image), shift))


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
    active = [kind for kind, strength in enumerate(strengths) if strength > 0]
    if image.shape[-1] == 1:
        active = [kind for kind in active if kind in (BRIGHTNESS, CONTRAST)]
    order, amounts = _draw(key, strengths, probability)
    return channels_last(_adjusted(channels_first(image), order, amounts, active))


def _draw(
    key: PRNGKeyArray, strengths: tuple[float, ...], probability: float
) -> tuple[Int[Array, ""], Float[Array, "4"]]:
    """Which of the orders, the last of which is none, and how much of each adjustment."""
    draws = jax.random.uniform(key, (6,))
    spread, center = np.array(strengths, np.float32), np.array([1, 1, 1, 0], np.float32)
    low = np.maximum(center - spread, [0, 0, 0, -strengths[HUE]]).astype(np.float32)
    amounts = low + (center + spread - low) * draws[:4]
    order = jnp.floor(len(_ORDERS) * draws[4]).astype(jnp.int32)
    return jnp.where(draws[5] < probability, order, len(_ORDERS)), amounts


def _adjusted(
    planes: Planes, order: Int[Array, ""], amounts: Float[Array, "4"], active: list[int]
) -> Planes:
    """The active adjustments in their order.

    Under vmap each image has another order and all places are computed. Contrast, which needs the
    mean of all pixels, has one; luma is needed at four, hue at two; brightness is one product. The
    barriers are before what reads all three channels at once: without them XLA computes each of the
    three again for the other two.
    """
    used = np.array([*(_used(one, active) for one in _ORDERS), [False] * len(_PLACES)])
    for place, kind in enumerate(_PLACES):
        if used[:, place].any():
            if kind in (SATURATION, HUE):
                planes = jax.lax.optimization_barrier(planes)
            planes = _adjust(planes, kind, amounts[kind], jnp.array(used[:, place])[order])
    return planes


def _adjust(planes: Planes, kind: int, amount: Scalar, used: Scalar) -> Planes:
    """One adjustment, or the planes as they are to the bit."""
    if kind == HUE:
        return jnp.where(used, _turn_hue(planes, amount), planes)
    if kind == BRIGHTNESS:
        base: Array | float = 0.0
    else:
        luma = _luma(planes)
        base = jnp.where(used, luma.mean() if kind == CONTRAST else luma, 0.0)
    return _blend(planes, base, jnp.where(used, amount, 1.0))


def _used(order: tuple[int, ...], active: list[int]) -> list[bool]:
    """At which places an order's active adjustments stand."""
    wanted = iter([kind for kind in order if kind in active])
    ahead, used = next(wanted, None), []
    for kind in _PLACES:
        used.append(kind == ahead)
        if used[-1]:
            ahead = next(wanted, None)
    return used


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
    planes = channels_first(image)
    gray = jnp.clip(_luma(planes), 0.0, 1.0)
    planes = jnp.where(jax.random.bernoulli(key, probability), gray, planes)
    return channels_last(jax.lax.optimization_barrier(planes))  # not computed again a channel


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
    inverted = jnp.where(image >= threshold, 1.0 - image, image)
    return jnp.where(jax.random.bernoulli(key, probability), inverted, image)
