"""Patches: shuffled ones are all still there, and pasted ones come from the other image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment.patches import paste_patch, shuffle_patches
from tests.augment import draws, picture, quick_jit


def cells(image, grid):
    h, w = image.shape[0] // grid, image.shape[1] // grid
    return [
        np.asarray(image)[y * h : (y + 1) * h, x * w : (x + 1) * w]
        for y in range(grid)
        for x in range(grid)
    ]


@pytest.mark.parametrize(("shape", "grid"), [((8, 8, 1), 4), ((6, 9, 3), 3), ((4, 4, 1), 2)])
def test_shuffled_patches_are_all_there_in_another_order(shape, grid):
    image = picture(*shape)
    before = cells(image, grid)
    for shuffled in draws(lambda k, x: shuffle_patches(k, x, grid=grid), image, 100):
        after = cells(shuffled, grid)
        found = [next(i for i, x in enumerate(before) if np.array_equal(x, y)) for y in after]
        assert sorted(found) == list(range(grid**2))
        assert found != list(range(grid**2))


def test_every_patch_may_go_anywhere():
    image = jnp.arange(16.0).reshape(4, 4, 1)
    shuffled = draws(lambda k, x: shuffle_patches(k, x, grid=4), image, 1600)
    for place in shuffled.reshape(1600, 16).T:
        assert stats.chisquare(np.bincount(place.astype(int), minlength=16)).pvalue > 1e-4


def test_grids_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="a grid of 3 x 3 patches does not fit 9 x 8 pixels"):
        shuffle_patches(jax.random.key(0), picture(9, 8, 1), grid=3)
    with pytest.raises(ValueError, match="a grid of 1 x 1 patches does not fit"):
        shuffle_patches(jax.random.key(0), picture(8, 8, 1), grid=1)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_pasted_patch_is_a_square_of_the_other_image_anywhere(size):
    image, other = picture(5, 7, 3), 2 + picture(5, 7, 3, 1)
    run = quick_jit(jax.vmap(lambda key: paste_patch(key, image, other, size=size)))
    corners = []
    for pasted in np.asarray(run(jax.random.split(jax.random.key(0), 500))):
        foreign = (pasted >= 2).all(-1)
        ys, xs = np.nonzero(foreign)
        corners.append((ys.min(), xs.min()))
        expected = np.asarray(image).copy()
        box = slice(ys.min(), ys.min() + size), slice(xs.min(), xs.min() + size)
        expected[box] = np.asarray(other)[box]
        np.testing.assert_array_equal(pasted, expected)
    places = (5 - size + 1) * (7 - size + 1)
    counts = np.unique(corners, axis=0, return_counts=True)[1]
    assert len(counts) == places
    assert stats.chisquare(counts).pvalue > 1e-4
