"""Nine square tiles of an image, for tasks that ask where parts of an image belong.

A network should answer from what the tiles show. So pixels are only moved: interpolation leaves
traces that depend on the position. Tiles do not overlap; they lie at random distances, so that
edges do not simply continue from one to the next; and their grid starts anywhere in the image.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ssl_jax.augment.compose import Image

SIDE = 3
TILES = SIDE**2

Tiles = Float[Array, "9 t t c"]
Corners = Int[Array, "9 2"]


class Grid(NamedTuple):
    """A 3 x 3 grid of tiles, each near its place. Tiles are numbered row by row.

    Attributes:
      tile: side of a tile, in pixels, at least 1.
      gap: distance between neighboring places, in pixels, at least ``2 * jitter``.
      jitter: largest distance of a tile from its place along each axis, in pixels, at least 0.

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction, 2015,
      section 3, https://arxiv.org/abs/1505.05192
    """

    tile: int
    gap: int
    jitter: int

    @property
    def span(self) -> int:
        """Side of the smallest image that holds the grid, in pixels."""
        return SIDE * self.tile + (SIDE - 1) * self.gap + 2 * self.jitter

    def corners(self, key: PRNGKeyArray, image: Image) -> Corners:
        """Draws where the tiles lie. The start of the grid and the jitter are uniform.

        Args:
          key: PRNG key.
          image: ``[h, w, c]``.

        Returns:
          ``[9, 2]``: row and column of each tile's upper left pixel.

        Raises:
          ValueError: the image is too small, or tiles could overlap.
        """
        h, w, _ = image.shape
        if min(h, w) < self.span or self.gap < 2 * self.jitter:
            raise ValueError(
                f"{self} needs {self.span} pixels and a gap of twice the jitter; image: {h} x {w}"
            )
        start_key, jitter_key = jax.random.split(key)
        start = jax.random.randint(start_key, (2,), 0, np.array([h, w]) - self.span + 1)
        jitter = jax.random.randint(jitter_key, (TILES, 2), 0, 2 * self.jitter + 1)
        places = np.stack(np.divmod(np.arange(TILES), SIDE), axis=1)
        return start[None] + (self.tile + self.gap) * places + jitter

    def cut(self, image: Image, corners: Corners) -> Tiles:
        """Cuts out the tiles whose upper left pixels are given; ``[9, tile, tile, c]``."""
        size = (self.tile, self.tile, image.shape[-1])
        return jax.vmap(lambda corner: jax.lax.dynamic_slice(image, (*corner, 0), size))(corners)
