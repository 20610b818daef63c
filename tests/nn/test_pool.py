"""Pooling over the cells of a grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.backbones.pool import cell_means


@pytest.mark.parametrize("size", [2, 4, 7, 8, 14])
@pytest.mark.parametrize("cells", [1, 4])
def test_cells_average_the_positions_that_they_touch(size, cells):
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    edges = [(i * size // cells, -(-(i + 1) * size // cells)) for i in range(cells)]
    expected = [
        x[:, top:bottom, left:right].mean((1, 2)) for top, bottom in edges for left, right in edges
    ]
    means = cell_means(jnp.asarray(x), cells)
    np.testing.assert_allclose(means, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)
