"""The contract: what each modality defines about its examples."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jax import ShapeDtypeStruct
from ml_collections import ConfigDict

from ssl_jax.data.dataset import Source


class Modality(NamedTuple):
    """A kind of data.

    Attributes:
      example: ``config.data -> {name: ShapeDtypeStruct}``: one example without its label.
      read: ``(inputs, config.data, assets) -> source``: reads what a user passes to ``Run.embed``.
      input_name: the raw input in words, such as "raw pixels".
    """

    example: Callable[[ConfigDict], dict[str, ShapeDtypeStruct]]
    read: Callable[[Any, ConfigDict, Mapping[str, str]], Source]
    input_name: str


def batch_like(example: Mapping[str, Any], batch_size: int) -> dict[str, ShapeDtypeStruct]:
    """Returns the shapes of a batch, given one example: arrays or ShapeDtypeStructs."""
    return {
        name: ShapeDtypeStruct((batch_size, *one.shape), one.dtype) for name, one in example.items()
    }
