"""Tiles in methods: the checks of their settings, and the pictures for the report."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from ssl_jax.augment.tiles import Grid
from ssl_jax.methods.common.tiles import cutter, grid_of, grid_settings, in_context, mosaic
from tests.augment import picture
from tests.data.test_load import one_line


def config(tile, gap, jitter, *, side=28, name="resnet_small"):
    return ConfigDict(
        {
            "method": {"tile": tile, "gap": gap, "jitter": jitter},
            "data": {"image_size": side},
            "network": {"name": name, "patch_size": 4},
        }
    )


def test_the_grid_is_as_configured_and_may_have_a_margin():
    assert grid_of(config(7, 2, 1)) == Grid(7, 2, 1)
    assert grid_of(config(5, 4, 1, side=27), margin=1) == Grid(7, 2, 1)
    assert grid_of(config(8, 2, 0, name="vit_nano")) == Grid(8, 2, 0)


@pytest.mark.parametrize(
    ("wrong", "margin", "message"),
    [
        (config(7, 1, 1), 0, "method.gap: 1 lets tiles overlap; expected at least 2, twice"),
        (config(7, 3, 1), 1, "method.gap: 3 lets tiles overlap; expected at least 4, twice"),
        (
            config(7, 2, 1, side=26),
            0,
            "data.image_size: 26 is too small for the tiles; expected at least 27, "
            "for method.tile 7, method.gap 2 and shifts of up to 1",
        ),
        (
            config(7, 2, 1, name="vit_nano"),
            0,
            "method.tile: 7 does not split into patches; expected a multiple of "
            "network.patch_size 4",
        ),
    ],
)
def test_tiles_that_do_not_fit_are_rejected(wrong, margin, message):
    assert one_line(grid_of, wrong, margin=margin).startswith(message)


def test_the_declared_defaults_are_the_arguments():
    declared = grid_settings(tile=5, gap=4, jitter=1)
    assert {name: setting.default for name, setting in declared.items()} == {
        "tile": 5,
        "gap": 4,
        "jitter": 1,
    }


def test_tiles_are_cut_and_recolored_with_keys_of_their_own():
    grid = Grid(2, 1, 0)

    def recolor(key, tiles):
        return tiles + jax.random.uniform(key)

    images = jnp.stack([picture(12, 10, 3, seed) for seed in range(3)])
    tiles, corners = cutter(grid, recolor)(jax.random.key(0), images)
    assert tiles.shape == (9, 3, 2, 2, 3)
    added = []
    for n in range(3):
        away = tiles[:, n] - grid.cut(images[n], corners[n])
        assert np.ptp(away) < 1e-5
        added.append(float(away.mean()))
    assert min(added) > 0
    assert len(np.unique(corners[:, 0], axis=0)) > 1
    assert np.diff(np.sort(added)).min() > 1e-4


def test_all_but_the_tiles_is_faded():
    images, grid = jnp.stack([picture(12, 10, 3, seed) for seed in range(2)]), Grid(2, 1, 0)
    corners = np.array([[[i + n, j] for i in (1, 4, 8) for j in (0, 3, 7)] for n in range(2)])
    found = in_context(grid, images, jnp.asarray(corners))
    expected = 0.75 + np.asarray(images) / 4
    for n in range(2):
        for top, left in corners[n]:
            place = slice(top, top + 2), slice(left, left + 2)
            expected[n][place] = images[n][place]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_mosaic_has_white_lines_between_its_tiles():
    tiles = np.random.default_rng(0).random((2, 9, 2, 2, 3), np.float32)
    expected = np.ones((2, 8, 8, 3), np.float32)
    for n, number in np.ndindex(2, 9):
        top, left = 3 * (number // 3), 3 * (number % 3)
        expected[n, top : top + 2, left : left + 2] = tiles[n, number]
    np.testing.assert_array_equal(mosaic(jnp.asarray(tiles)), expected)
