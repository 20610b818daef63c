"""Holes in images: which pixels a context encoder has to paint."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

_CELLS = 8  # of the random pattern, per side
_SHARE = 0.25  # of an image that random holes hide

Images = Float[Array, "n h w c"]
Masks = Bool[Array | np.ndarray, "n h w 1"]


class Holes(NamedTuple):
    """A kind of holes.

    Attributes:
      painted: rows and columns of the square that is painted; it contains the holes.
      draw: ``(key, n) -> [n, h, w, 1]``; True is hidden.
      fill: ``(images, mask, color) -> [n, h, w, c]``: the images with their holes in that color.
      hidden: ``(pictures, mask) -> [n, y, x, c]``: the hidden pixels of images or paintings, as a
        picture if they form one.
    """

    painted: tuple[slice, slice]
    draw: Callable[[PRNGKeyArray, int], Masks]
    fill: Callable[[Images, Masks, Sequence[float]], Images]
    hidden: Callable[[Images, Masks], Float[Array, "n y x c"]]


def middle(side: int, overlap: int) -> Holes:
    """Builds the hole in the middle of an image, a square.

    Args:
      side: of the image.
      overlap: width of the visible border that is painted too; with it, the painted square is half
        as wide as the image.
    """
    size = side // 2 - 2 * overlap
    hole = square(side, size)
    mask = np.zeros((1, side, side, 1), bool)
    mask[:, *hole] = True

    def draw(key: PRNGKeyArray, n: int) -> Masks:
        del key
        return np.broadcast_to(mask, (n, *mask.shape[1:]))

    def fill(images: Images, mask: Masks, color: Sequence[float]) -> Images:
        del mask
        return images.at[:, *hole].set(jnp.asarray(color, images.dtype))

    def hidden(pictures: Images, mask: Masks) -> Float[Array, "n y x c"]:
        del mask
        return pictures[:, *square(pictures.shape[1], size)]

    return Holes(square(side, side // 2), draw, fill, hidden)


def random(side: int) -> Holes:
    """Builds holes of random shape that hide a quarter of an image, which is painted as a whole.

    They are the pixels where smooth noise is smallest. Each image has holes of its own.

    Args:
      side: of the image.
    """
    count = round(_SHARE * side**2)

    def draw(key: PRNGKeyArray, n: int) -> Masks:
        coarse = jax.random.uniform(key, (n, _CELLS, _CELLS))
        smooth = jax.image.resize(coarse, (n, side, side), "cubic").reshape(n, -1)
        ranks = smooth.argsort(axis=1).argsort(axis=1)
        return (ranks < count).reshape(n, side, side, 1)

    def fill(images: Images, mask: Masks, color: Sequence[float]) -> Images:
        return jnp.where(mask, jnp.asarray(color, images.dtype), images)

    def hidden(pictures: Images, mask: Masks) -> Float[Array, "n y 1 c"]:
        n, *_, c = pictures.shape
        first = jnp.argsort(~mask.reshape(n, -1), axis=1)[:, :count, None]
        return jnp.take_along_axis(pictures.reshape(n, -1, c), first, axis=1)[:, :, None]

    return Holes(square(side, side), draw, fill, hidden)


def square(side: int, size: int) -> tuple[slice, slice]:
    """Returns the rows and columns of a central square: ``size`` pixels wide, of ``side``."""
    start = (side - size) // 2
    return (slice(start, start + size),) * 2
