"""What the evaluation knows about a modality."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from ssl_jax.augment.geometry import crop_and_resize
from ssl_jax.augment.pixels import to_float
from ssl_jax.data import Dataset
from ssl_jax.evaluation.features import Embed

_INPUT_SIDE = 32


def _no_scores(data: Dataset, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The scores of a modality that has none of its own."""
    del data, values
    return iter(())


class Inputs(NamedTuple):
    """The inputs of a modality.

    Attributes:
      raw: ``config.data -> (batch -> [n, d])``: the raw input, a baseline without a network.
      scores: ``(data, values) -> name, value``: further entries of ``evaluation.json``, from those
        that are there.
    """

    raw: Callable[[ConfigDict], Embed]
    scores: Callable[[Dataset, Mapping[str, float]], Iterator[tuple[str, float]]] = _no_scores


def flat_pixels(images: jax.Array) -> jax.Array:
    """Returns the pixels of ``[n, h, w, c]`` as ``[n, d]`` in [0, 1]; large images at 32 x 32."""
    images = to_float(images)
    if max(images.shape[1:3]) > _INPUT_SIDE:
        box = (0, 0, *images.shape[1:3])
        with jax.default_matmul_precision("highest"):  # a baseline must not be rounded
            images = jax.vmap(lambda image: crop_and_resize(image, *box, size=_INPUT_SIDE))(images)
    return images.reshape(len(images), -1)
