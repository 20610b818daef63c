"""First filters of MLPs that were trained on images: how local they are, and a picture of them."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float
from PIL import Image

from ssl_jax import load
from ssl_jax.nn.backbones.blocks import blocks
from ssl_jax.report.sections.networks import filter_pictures

_PER_RUN = 24
_GAP, _ENLARGED = 2, 2


def first(run: Path) -> Float[np.ndarray, "h w c units"]:
    """Returns the weights of the first layer of a run's backbone, an MLP."""
    loaded = load(run)
    params, _ = loaded.method.backbone(loaded.params, loaded.extra)
    (kernel,) = (x for x in jax.tree.leaves(next(iter(blocks(params).values()))) if x.ndim > 1)
    data = loaded.config.data
    return np.asarray(kernel).reshape(data.image_size, data.image_size, data.channels, -1)


def pixels(kernel: Float[np.ndarray, "h w c units"]) -> float:
    """Returns how many pixels a filter looks at, averaged over units.

    It is ``(sum w^2)^2 / sum w^4``: 1 for a single pixel, all of them for weights of equal size,
    and a third of them for Gaussian noise.
    """
    w = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    return float(np.mean((w**2).sum(axis=0) ** 2 / (w**4).sum(axis=0)))


def picture(kernels: Sequence[Float[np.ndarray, "h w c units"]]) -> bytes:
    """Returns a PNG file: one row of filters for each run."""
    rows = []
    for kernel in kernels:
        shown = filter_pictures(kernel)[:_PER_RUN]
        framed = np.pad(shown, ((0, 0), (_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=1)
        rows.append(np.concatenate(list(framed), axis=1))
    whole = np.concatenate(rows).repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    image = Image.fromarray(np.round(255 * whole.squeeze(-1)).astype(np.uint8))
    file = BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()
