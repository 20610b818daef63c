"""What methods share that cut images into tiles: settings, their checks, and pictures."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.augment.compose import Image
from ssl_jax.augment.tiles import SIDE, Corners, Grid, Tiles
from ssl_jax.errors import InputError
from ssl_jax.nn import backbones


def grid_settings(*, tile: int, gap: int, jitter: int) -> dict[str, settings.Setting]:
    """Declares the attributes of ``augment.tiles.Grid``."""
    return {
        "tile": settings.integer(tile, "side of a tile, in pixels", at_least=1),
        "gap": settings.integer(
            gap, "mean distance between neighboring tiles, in pixels", at_least=0
        ),
        "jitter": settings.integer(
            jitter, "largest shift of a tile from its place, in pixels", at_least=0
        ),
    }


def grid_of(config: ConfigDict, *, margin: int = 0) -> Grid:
    """Builds the grid of ``method.tile``, ``method.gap`` and ``method.jitter``.

    Args:
      config: ``method``, ``data.image_size``, ``network``.
      margin: width of a border around each tile that is cut out with it, and cut off again later.

    Raises:
      InputError: tiles could overlap, the image is too small, or a ViT cannot split a tile.
    """
    method, network, side = config.method, config.network, config.data.image_size
    grid = Grid(method.tile + 2 * margin, method.gap - 2 * margin, method.jitter)
    if grid.gap < 2 * grid.jitter:
        raise InputError(
            f"method.gap: {method.gap} lets tiles overlap; expected at least "
            f"{2 * (grid.jitter + margin)}, twice the largest shift of a tile"
        )
    if side < grid.span:
        raise InputError(
            f"data.image_size: {side} is too small for the tiles; expected at least {grid.span}, "
            f"for method.tile {method.tile}, method.gap {method.gap} and shifts of up to "
            f"{method.jitter + margin}"
        )
    if network.name in backbones.VITS and method.tile % network.patch_size:
        raise InputError(
            f"method.tile: {method.tile} does not split into patches; expected a multiple of "
            f"network.patch_size {network.patch_size}"
        )
    return grid


def cutter(
    grid: Grid, recolor: Callable[[PRNGKeyArray, Tiles], Tiles]
) -> Callable[
    [PRNGKeyArray, Float[Array, "n h w c"]],
    tuple[Float[Array, "9 n t t c"], Int[Array, "n 9 2"]],
]:
    """Builds the function that draws tiles of each image of a batch.

    Args:
      grid: where they may lie.
      recolor: ``(key, tiles) -> tiles``: changes the nine tiles of an image.

    Returns:
      ``(key, images) -> tiles, corners``: ``[9, n, t, t, c]``, and ``[n, 9, 2]``, the row and
      column of each tile's upper left pixel.
    """

    def draw(key: PRNGKeyArray, image: Image) -> tuple[Tiles, Corners]:
        place_key, color_key = jax.random.split(key)
        corners = grid.corners(place_key, image)
        return recolor(color_key, grid.cut(image, corners)), corners

    def cut(
        key: PRNGKeyArray, images: Float[Array, "n h w c"]
    ) -> tuple[Float[Array, "9 n t t c"], Int[Array, "n 9 2"]]:
        return jax.vmap(draw, out_axes=(1, 0))(jax.random.split(key, len(images)), images)

    return cut


def in_context(
    grid: Grid, images: Float[Array, "n h w c"], corners: Int[Array, "n 9 2"]
) -> Float[Array, "n h w c"]:
    """Returns the images, faded to white wherever no tile was cut out."""
    pixels = jnp.stack(jnp.indices(images.shape[1:3]), axis=-1)
    first = corners[:, :, None, None]
    covered = ((pixels >= first) & (pixels < first + grid.tile)).all(axis=-1).any(axis=1)
    return jnp.where(covered[..., None], images, (3 + images) / 4)


def mosaic(tiles: Float[Array, "n 9 t t c"]) -> Float[Array, "n s s c"]:
    """Lays each example's tiles out, row by row, with white lines of one pixel between them.

    Args:
      tiles: ``[n, 9, t, t, c]`` in [0, 1].

    Returns:
      ``[n, 3 t + 2, 3 t + 2, c]``.
    """
    n, _, t, _, c = tiles.shape
    framed = jnp.pad(tiles, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1.0)
    rows = framed.reshape(n, SIDE, SIDE, t + 1, t + 1, c).swapaxes(2, 3)
    return rows.reshape(n, SIDE * (t + 1), SIDE * (t + 1), c)[:, :-1, :-1]
