"""Random erasing: a box of the image is replaced by noise or by a constant."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, channels_first, channels_last

_ATTEMPTS = 10


@on_pixels
def random_erasing(
    key: PRNGKeyArray,
    image: Image,
    *,
    probability: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
    value: float | Sequence[float] | None = None,
) -> Image:
    """Erases a random box, as if something stood in front of the object.

    The area is uniform, the aspect ratio log-uniform, and the position uniform over whole pixels.
    The first of ten draws that fits is used; if none fits, the image stays as it is.

    Deviations: the paper's aspect ratio is uniform, which makes most boxes tall. It redraws until
    the box fits at a position drawn along with it, which favors small boxes. The default
    ``probability`` is DeiT's and the default ``area`` timm's; the paper's are 0.5 and (0.02, 0.4).

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1].
      probability: probability of erasing.
      area: smallest and largest fraction of the image's area, in (0, 1].
      aspect: smallest and largest aspect ratio, height / width, above 0.
      value: what a box is filled with, in [0, 1]: one number, or one per channel; None is uniform
        noise, drawn for each pixel and channel, as in the paper.

    Returns:
      ``[h, w, c]`` in [0, 1].

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.erasing import random_erasing
      >>> image = jax.numpy.ones((32, 32, 3))
      >>> erased = random_erasing(jax.random.key(0), image, probability=1.0, value=0.0)
      >>> 0.01 < (erased == 0).mean() < 0.35
      Array(True, dtype=bool)

    References:
      Zhong et al., Random Erasing Data Augmentation, 2017, algorithm 1,
      https://arxiv.org/abs/1708.04896
    """
    planes = channels_first(image)
    _, h, w = planes.shape
    box_key, fill_key = jax.random.split(key)
    erased = _box(box_key, h, w, probability, area, aspect)
    fill = _fill(fill_key, planes.shape, value)
    return channels_last(jnp.where(erased, fill.astype(planes.dtype), planes))


def _fill(
    key: PRNGKeyArray, shape: tuple[int, ...], value: float | Sequence[float] | None
) -> Float[Array, "..."]:
    if value is None:
        return jax.random.uniform(key, shape)
    return jnp.asarray(value, jnp.float32).reshape(-1, 1, 1)


def _box(
    key: PRNGKeyArray,
    h: int,
    w: int,
    probability: float,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> Bool[Array, "h w"]:
    """Draws a box and returns which pixels it contains: none where nothing is erased."""
    draws = jax.random.uniform(key, (2 * _ATTEMPTS + 3,))
    area_draws, aspect_draws = draws[:_ATTEMPTS], draws[_ATTEMPTS:-3]
    target = h * w * (area[0] + (area[1] - area[0]) * area_draws)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratio = jnp.exp(low + (high - low) * aspect_draws)
    heights, widths = jnp.round(jnp.sqrt(target * ratio)), jnp.round(jnp.sqrt(target / ratio))
    fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)

    first = jnp.argmax(fits)
    height, width = heights[first], widths[first]
    top = jnp.floor((h - height + 1) * draws[-3])
    left = jnp.floor((w - width + 1) * draws[-2])
    rows = jnp.arange(h, dtype=draws.dtype)[:, None]
    columns = jnp.arange(w, dtype=draws.dtype)[None]
    inside_rows = (rows >= top) & (rows < top + height)
    inside_columns = (columns >= left) & (columns < left + width)
    return inside_rows & inside_columns & fits.any() & (draws[-1] < probability)
