"""Learned positions of a grid of patches, interpolated to a grid of another size."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_A = -0.75  # the parameter of the cubic kernel; JAX's resize has -.5


def interpolated(
    positions: Float[Array, "h w d"], rows: int, columns: int
) -> Float[Array, "rows columns d"]:
    """Resizes by bicubic interpolation as PyTorch does: without antialiasing, edges repeated.

    Shrinking skips positions and does not average them, so that those of a small crop have the
    size of the learned ones.

    Args:
      positions: ``[h, w, d]``.
      rows: of the result.
      columns: of the result.

    References:
      Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, equation 4, with
      ``a = -.75``. DINO's code adds .1 to both counts when it computes the scale; this does not.
    """
    h, w, _ = positions.shape
    if (rows, columns) == (h, w):
        return positions
    down, across = _weights(h, rows), _weights(w, columns)
    return jnp.einsum(
        "ih,jw,hwd->ijd", down, across, positions, precision=jax.lax.Precision.HIGHEST
    )


def _weights(count: int, size: int) -> Float[np.ndarray, "size count"]:
    """Returns the share of each given position in each new one."""
    centers = (np.arange(size) + 0.5) * count / size - 0.5
    first = np.floor(centers).astype(int) - 1
    weights = np.zeros((size, count), np.float32)
    for tap in range(4):
        source = np.clip(first + tap, 0, count - 1)
        np.add.at(weights, (np.arange(size), source), _cubic(np.abs(centers - first - tap)))
    return weights


def _cubic(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    near = ((_A + 2) * x - (_A + 3)) * x**2 + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
