"""The colors that colorization chooses among: bins of CIELAB's plane of ``a`` and ``b``.

Bins are 10 wide and centered at multiples of 10. Those in gamut are less than one width away, along
``a`` and along ``b``, from the convex hull of all colors of sRGB. There are 313, the same as in
``pts_in_hull.npy`` of the authors' code. 261 of them are the nearest bin of some color.

References:
  Zhang, Isola, Efros, Colorful Image Colorization, 2016, section 2, https://arxiv.org/abs/1603.08511
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from ssl_jax.augment.lab import rgb_to_lab

WIDTH = 10
_FARTHEST = 120
_LEVELS = 17  # of red, green and blue
_DIRECTIONS = 360
_NEIGHBORS = 5
_SIGMA = 5.0


@cache
def centers() -> Float[np.ndarray, "q 2"]:
    """Returns ``a`` and ``b`` of the bins in gamut, in ascending order.

    A convex hull holds a point if none of its directions sees the point beyond all colors.
    """
    levels = np.linspace(0, 1, _LEVELS, dtype=np.float32)
    with jax.ensure_compile_time_eval():
        lab = rgb_to_lab(jnp.stack(jnp.meshgrid(*[levels] * 3), axis=-1))
        colors = np.asarray(lab)[..., 1:].reshape(-1, 2)
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    reach = (colors @ directions).max(axis=0) + WIDTH * np.abs(directions).sum(axis=0)
    ticks = np.arange(-_FARTHEST, _FARTHEST + 1, WIDTH, dtype=np.float32)
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid[(grid @ directions < reach).all(axis=1)]


def encode(ab: Float[Array, "*b 2"]) -> Float[Array, "*b q"]:
    """Encodes colors as distributions over the bins.

    A color's 5 nearest bins share it in proportion to ``exp(-distance^2 / (2 sigma^2))``, with a
    ``sigma`` of 5. Bins that are equally far count as one.

    Args:
      ab: ``[..., 2]``.

    Returns:
      ``[..., q]``; rows sum to 1.
    """
    distances = farther = _squared_distances(ab)
    for _ in range(_NEIGHBORS - 1):  # on a CPU far faster than lax.top_k
        farther = jnp.where(farther > farther.min(axis=-1, keepdims=True), farther, jnp.inf)
    is_near = distances <= farther.min(axis=-1, keepdims=True)
    return jax.nn.softmax(-distances / (2 * _SIGMA**2), where=is_near)


def nearest(ab: Float[Array, "*b 2"]) -> Int[Array, "*b"]:
    """Returns the number of each color's nearest bin."""
    return _squared_distances(ab).argmin(axis=-1)


def annealed_mean(
    logits: Float[Array, "*b q"], temperature: Scalar | float
) -> Float[Array, "*b 2"]:
    """Returns one color per distribution: the mean of ``softmax(logits / temperature)``.

    A temperature of 1 gives the mean, which is grayish where colors compete; near 0 it is the mode,
    which may differ from pixel to pixel. Equation 5.

    Args:
      logits: ``[..., q]``.
      temperature: above 0.
    """
    shares = jax.nn.softmax(logits / temperature)
    return jnp.matmul(shares, jnp.asarray(centers()), precision="highest")


def weights(prior: Float[Array, " q"], uniform: Scalar | float) -> Float[Array, " q"]:
    """Returns how much a pixel of each bin counts: the more, the rarer the bin.

    ``w = 1 / ((1 - uniform) prior + uniform / q)``, scaled so that ``sum(prior w)`` is 1. Equation
    4.

    Args:
      prior: ``[q]``, how frequent bins are; it sums to 1.
      uniform: share of the uniform distribution; 1 weights all bins alike.
    """
    unscaled = 1 / ((1 - uniform) * prior + uniform / len(prior))
    return unscaled / (unscaled * prior).sum()


def loss_by_chance(
    targets: Float[Array, "n h w q"], weights: Float[Array, " q"]
) -> Float[Array, ""]:
    """Returns the mean ``losses.colorization`` of the best guess that ignores the images.

    Args:
      targets: ``[n, h, w, q]``, from ``encode``.
      weights: ``[q]``, how much a pixel of each bin counts.
    """
    weighted = weights[targets.argmax(axis=-1)][..., None] * targets
    guess = weighted.mean(axis=(0, 1, 2))
    return -jax.scipy.special.xlogy(guess, guess / guess.sum()).sum()


def _squared_distances(ab: Float[Array, "*b 2"]) -> Float[Array, "*b q"]:
    a, b = centers().T
    return jnp.square(ab[..., :1] - a) + jnp.square(ab[..., 1:] - b)
