"""Brightness, contrast, saturation, hue, grey and solarisation, each as Pillow defines it.

Every adjustment ends in [0, 1]. On images of one channel saturation, hue and grayscale have nothing
to change; brightness, contrast and solarisation act as on colour.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from ssl_jax.augment.compose import Image, with_probability

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_ORDERS = np.array(list(itertools.permutations(range(4))))


def _luma(image: Image) -> Float[Array, "h w 1"]:
    """ITU-R 601 luma."""
    return image if image.shape[-1] == 1 else (image * _LUMA).sum(axis=-1, keepdims=True)


def adjust_brightness(image: Image, factor: Scalar | float) -> Image:
    """Blend with black: ``factor * image``; 1 changes nothing."""
    return jnp.clip(factor * image, 0.0, 1.0)


def adjust_contrast(image: Image, factor: Scalar | float) -> Image:
    """Blend with the mean of the luma, one grey for the whole image; 1 changes nothing."""
    mean = _luma(image).mean()
    return jnp.clip(mean + factor * (image - mean), 0.0, 1.0)


def adjust_saturation(image: Image, factor: Scalar | float) -> Image:
    """Blend with the image's own luma; 1 changes nothing, 0 leaves grey."""
    gray = _luma(image)
    return jnp.clip(gray + factor * (image - gray), 0.0, 1.0)


def adjust_hue(image: Image, shift: Scalar | float) -> Image:
    """Turn the hue in HSV by ``shift`` turns, from -0.5 to 0.5; 0 changes nothing.

    Value and chroma stay: each channel is ``value - chroma * clip(min(k, 4 - k), 0, 1)`` with
    ``k = (offset + 6 * hue) mod 6`` and offsets 5, 3 and 1 for red, green and blue.
    """
    if image.shape[-1] == 1:
        return image
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    value = image.max(axis=-1)
    chroma = value - image.min(axis=-1)
    safe = jnp.where(chroma > 0, chroma, 1.0)
    sextant = jnp.where(
        value == r, (g - b) / safe, jnp.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )
    k = jnp.mod(sextant[..., None] + 6 * shift + jnp.array([5.0, 3.0, 1.0], image.dtype), 6)
    turned = value[..., None] - chroma[..., None] * jnp.clip(jnp.minimum(k, 4 - k), 0.0, 1.0)
    return jnp.clip(turned, 0.0, 1.0)


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
    apply_key, order_key, factor_key = jax.random.split(key, 3)
    spread = jnp.array([brightness, contrast, saturation, hue], image.dtype)
    center = jnp.array([1.0, 1.0, 1.0, 0.0], image.dtype)
    low = jnp.maximum(center - spread, jnp.array([0.0, 0.0, 0.0, -hue], image.dtype))
    amounts = jax.random.uniform(factor_key, (4,), image.dtype, low, center + spread)

    adjustments = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    active = [i for i, x in enumerate((brightness, contrast, saturation, hue)) if x > 0]
    if image.shape[-1] == 1:
        active = [i for i in active if i < 2]
    order = jnp.asarray(_ORDERS)[jax.random.randint(order_key, (), 0, len(_ORDERS))]
    changed = image
    for position in range(4):
        candidates = {i: adjustments[i](changed, amounts[i]) for i in active}
        for i, candidate in candidates.items():
            changed = jnp.where(order[position] == i, candidate, changed)
    return with_probability(probability, apply_key, changed, image)


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
    gray = jnp.clip(jnp.broadcast_to(_luma(image), image.shape), 0.0, 1.0)
    return with_probability(probability, key, gray, image)


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
    return with_probability(probability, key, inverted, image)
