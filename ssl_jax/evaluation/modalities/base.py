"""What the evaluation needs to know about a modality."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from ssl_jax.augment.geometry import crop_and_resize
from ssl_jax.augment.pixels import to_float
from ssl_jax.data import Dataset
from ssl_jax.data.dataset import gather
from ssl_jax.data.frame import centers, frame_of
from ssl_jax.evaluation.features import Embed

_INPUT_SIDE = 32
_NUMBERS = 2**27  # of pixels that are in memory at once, half a gigabyte


def _no_scores(
    data: Dataset, config: ConfigDict, values: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """The scores of a modality that has none of its own."""
    del data, config, values
    return iter(())


class Inputs(NamedTuple):
    """The raw input of a modality, and scores of its own.

    Attributes:
      raw: ``config.data -> (batch -> [n, d])``: the raw input as features, a baseline without a
        network.
      scores: ``(data, config, values) -> name, value``: further entries of ``evaluation.json``,
        given those so far.
    """

    raw: Callable[[ConfigDict], Embed]
    scores: Callable[[Dataset, ConfigDict, Mapping[str, float]], Iterator[tuple[str, float]]] = (
        _no_scores
    )


def flat_pixels(images: jax.Array) -> jax.Array:
    """Returns the pixels of ``[n, h, w, c]`` as ``[n, d]`` in [0, 1].

    Images with a side above 32 are resized to 32 x 32.
    """
    images = to_float(images)
    if max(images.shape[1:3]) > _INPUT_SIDE:
        box = (0, 0, *images.shape[1:3])
        with jax.default_matmul_precision("highest"):  # do not round a baseline
            images = jax.vmap(lambda image: crop_and_resize(image, *box, size=_INPUT_SIDE))(images)
    return images.reshape(len(images), -1)


def training_images(data: Dataset, config: ConfigDict) -> Float[np.ndarray, "n h w c"]:
    """Returns the images that a method trained on, as evaluation sees them, in [0, 1].

    If there are more than fit into memory, they are evenly spaced ones.
    """
    count = min(len(data.pretrain), max(1, _NUMBERS // data.train[0]["image"].size))
    chosen = np.linspace(0, len(data.pretrain) - 1, count).astype(int)
    source = centers(data.pretrain, frame_of(config.data))
    return gather(source, chosen)["image"].astype(np.float32) / 255
