"""Ways to hide chromatic aberration: lenses displace colors, the more the further out.

The displacement tells where in a photograph a tile was, and a network that has to find that out
learns to see it instead of objects. On images with one channel, none of this changes the colors.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ssl_jax.augment.checks import on_pixels
from ssl_jax.augment.compose import Image, channels_first, channels_last

_GRAY_LEVEL = 1 / 255
_GREEN_MAGENTA = np.array([-1.0, 2.0, -1.0], np.float32)


@on_pixels
def drop_colors(key: PRNGKeyArray, image: Image) -> Image:
    """Keeps one channel at random and replaces the others by faint noise.

    The noise is uniform within half a gray level of mid-gray. With a single channel there is no
    displacement between channels to be seen.

    Args:
      key: PRNG key.
      image: ``[h, w, c]`` in [0, 1]. One channel is kept as it is.

    Returns:
      ``[h, w, c]`` in [0, 1].

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction, 2015,
      section 3.1, https://arxiv.org/abs/1505.05192; the noise is that of the authors' code.
    """
    channels = image.shape[-1]
    if channels == 1:
        return image
    channel_key, noise_key = jax.random.split(key)
    kept = jnp.arange(channels) == jax.random.randint(channel_key, (), 0, channels)
    noise = jax.random.uniform(noise_key, image.shape, image.dtype, minval=-0.5, maxval=0.5)
    return jnp.where(kept, image, 0.5 + _GRAY_LEVEL * noise)


def project_colors(key: PRNGKeyArray, image: Image) -> Image:
    """Removes the green-magenta component of each color: ``x - a a.x / a.a``, ``a = (-1, 2, -1)``.

    Aberration mostly displaces green against red and blue.

    Args:
      key: not used.
      image: ``[h, w, c]``. Other than three channels are kept as they are.

    Returns:
      ``[h, w, c]``; saturated colors may leave [0, 1].

    References:
      Doersch et al., 2015, section 3.1, https://arxiv.org/abs/1505.05192
    """
    del key
    if image.shape[-1] != len(_GREEN_MAGENTA):
        return image
    unit = _GREEN_MAGENTA / np.linalg.norm(_GREEN_MAGENTA)
    return image - (image @ unit)[..., None] * unit[None, None]


@on_pixels
def jitter_channels(key: PRNGKeyArray, image: Image, *, jitter: int = 2) -> Image:
    """Shifts each channel on its own, and cuts off the border.

    Args:
      key: PRNG key.
      image: ``[h, w, c]``.
      jitter: largest shift along each axis, in pixels, at least 0.

    Returns:
      ``[h - 2 jitter, w - 2 jitter, c]``.

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles,
      2016, https://arxiv.org/abs/1603.09246, on preventing shortcuts
    """
    h, w, c = image.shape
    size = (h - 2 * jitter, w - 2 * jitter)

    def shifted(plane: Float[Array, "h w"], start: Array) -> Float[Array, "_ _"]:
        return jax.lax.dynamic_slice(plane, start, size)

    starts = jax.random.randint(key, (c, 2), 0, 2 * jitter + 1)
    return channels_last(jax.vmap(shifted)(channels_first(image), starts))
