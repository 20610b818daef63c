"""Pooling of feature maps."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def cell_means(x: Float[Array, "n h w c"], cells: int) -> Float[Array, "n _"]:
    """Averages a map over the cells of a grid.

    Unlike the mean over the whole map, a grid keeps track of where things are. A cell includes
    every position that it touches, as in PyTorch's adaptive pooling.

    Args:
      x: ``[n, h, w, c]``.
      cells: cells per side; 1 averages over the whole map.

    Returns:
      ``[n, cells * cells * c]`` float32.
    """
    if cells == 1:
        return x.mean((1, 2), dtype=jnp.float32)
    rows, columns = (_cell_weights(size, cells) for size in x.shape[1:3])
    x = x.astype(jnp.float32)
    means = jnp.einsum("yh,nhwc,xw->nyxc", rows, x, columns, precision="highest")
    return means.reshape(len(x), -1)


def _cell_weights(size: int, cells: int) -> Float[np.ndarray, "cells size"]:
    """Returns the weight of each position in the mean of each cell, along one axis."""
    weights = np.zeros((cells, size), np.float32)
    for i in range(cells):
        first, end = i * size // cells, -(-(i + 1) * size // cells)
        weights[i, first:end] = 1 / (end - first)
    return weights
