"""Tiles: where they may lie, how often each place is drawn, and which pixels they hold."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment.tiles import Grid
from tests.augment import picture, quick_jit

GRIDS = [(Grid(3, 2, 1), (15, 17)), (Grid(2, 0, 0), (6, 9)), (Grid(4, 5, 1), (30, 24))]


def drawn(grid, shape, count):
    """Corners ``[count, 9, 2]`` drawn with different keys."""
    image = jnp.zeros((*shape, 1))
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(quick_jit(jax.vmap(grid.corners, (0, None)))(keys, image))


@pytest.mark.parametrize(("grid", "shape"), GRIDS)
def test_the_span_is_the_side_of_the_smallest_image(grid, shape):
    size = 0
    for place in range(3):
        size = max(size, place * (grid.tile + grid.gap) + 2 * grid.jitter + grid.tile)
    assert grid.span == size
    image = jnp.zeros((size, size, 1))
    assert grid.corners(jax.random.key(0), image).shape == (9, 2)
    with pytest.raises(ValueError, match=f"needs {size} pixels"):
        grid.corners(jax.random.key(0), image[:-1])


def test_grids_whose_tiles_could_overlap_are_refused():
    with pytest.raises(ValueError, match="a gap of twice the jitter"):
        Grid(3, 1, 1).corners(jax.random.key(0), jnp.zeros((40, 40, 1)))


@pytest.mark.parametrize(("grid", "shape"), GRIDS)
def test_tiles_lie_in_the_image_near_their_places_and_do_not_overlap(grid, shape):
    for corners in drawn(grid, shape, 200):
        covered = np.zeros(shape, int)
        for top, left in corners:
            assert 0 <= top <= shape[0] - grid.tile
            assert 0 <= left <= shape[1] - grid.tile
            covered[top : top + grid.tile, left : left + grid.tile] += 1
        assert covered.max() == 1
        for row, column in product(range(3), range(3)):
            away = corners[3 * row + column] - corners[0]
            place = (grid.tile + grid.gap) * np.array([row, column])
            assert np.abs(away - place).max() <= 2 * grid.jitter


def as_often(found, expected):
    """Whether numbers are distributed as in a list of equally likely ones."""
    values, counts = np.unique(expected, return_counts=True)
    observed = [np.sum(found == value) for value in values]
    assert sum(observed) == len(found)
    alone = len(values) == 1
    return alone or stats.chisquare(observed, sum(observed) * counts / sum(counts)).pvalue > 1e-3


@pytest.mark.parametrize(("grid", "shape"), GRIDS)
def test_starts_and_shifts_are_uniform(grid, shape):
    corners, shifts = drawn(grid, shape, 3000), range(2 * grid.jitter + 1)
    for axis, side in enumerate(shape):
        starts = range(side - grid.span + 1)
        assert as_often(corners[:, 0, axis], [a + b for a in starts for b in shifts])
        apart = corners[:, 8, axis] - corners[:, 0, axis] - 2 * (grid.tile + grid.gap)
        assert as_often(apart, [a - b for a in shifts for b in shifts])


@pytest.mark.parametrize("c", [1, 3])
def test_cut_moves_pixels_only(c):
    grid, image = Grid(3, 2, 1), picture(15, 17, c)
    images = jnp.stack([image, image[::-1]])
    corners = jnp.asarray(drawn(grid, (15, 17), 2))
    batched = quick_jit(jax.vmap(grid.cut))(images, corners)
    assert batched.dtype == jnp.float32
    for tiles, image, places in zip(batched, images, corners, strict=True):
        np.testing.assert_array_equal(grid.cut(image, places), tiles)
        for tile, (top, left) in zip(tiles, places, strict=True):
            expected = np.empty((3, 3, c), np.float32)
            for i, j in product(range(3), range(3)):
                expected[i, j] = image[top + i, left + j]
            np.testing.assert_array_equal(tile, expected)
