"""Extracts features once, in padded batches, so that every example counts exactly once."""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Source, padded_batches
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Method
from ssl_jax.placement import Placement

Embed = Callable[[Batch], jax.Array]


class Extracted(NamedTuple):
    """The features of a source's examples, in its order.

    Attributes:
      z: ``[n, d]`` float32.
      y: ``[n]`` labels, or None.
      columns: other entries of the source with one number per example, ``{name: [n]}``.
    """

    z: np.ndarray
    y: np.ndarray | None
    columns: Mapping[str, np.ndarray] = {}

    def labeled(self, column: str) -> "Extracted":
        """Returns the same features with a column as their labels; ``label`` is ``y`` itself."""
        return self if column == "label" else self._replace(y=self.columns[column])


def check_layers(
    method: Method, params: Any, extra: Any, batch: Batch, settings: ConfigDict
) -> None:
    """Checks, without computing anything, that the method has the layers to be evaluated.

    Args:
      method: whose ``embed`` is checked.
      params: the method's.
      extra: the method's.
      batch: arrays or ShapeDtypeStructs.
      settings: ``config.evaluation``, whose ``layers`` and ``probe_layers`` are checked.

    Raises:
      InputError: names the first layer that is missing.
    """
    outputs = jax.eval_shape(method.embed, params, extra, batch)
    for key in ("layers", "probe_layers"):
        for layer in settings[key]:
            if layer not in outputs:
                known = ", ".join(outputs)
                raise InputError(f"evaluation.{key}: {layer!r}; expected some of {known}")


def make_embed(
    method: Method, params: Any, extra: Any, layers: Sequence[str], placement: Placement
) -> Embed:
    """Builds the compiled ``batch -> [n, d]`` of a network.

    Calls with the same method and layers share one compilation.

    Args:
      method: whose ``embed`` is run.
      params: the method's.
      extra: the method's.
      layers: names of its outputs, which are concatenated.
      placement: of the arrays.
    """
    compiled = _jitted_embed(method, tuple(layers), placement)
    params, extra = jax.device_put((params, extra), placement.replicated)
    return lambda batch: compiled(params, extra, batch)


@functools.lru_cache(maxsize=16)
def _jitted_embed(
    method: Method, layers: tuple[str, ...], placement: Placement
) -> Callable[..., jax.Array]:
    everywhere, rows = placement.replicated, placement.rows

    def embed(params: Any, extra: Any, batch: Batch) -> jax.Array:
        outputs = method.embed(params, extra, batch)
        return jnp.concatenate([outputs[layer] for layer in layers], axis=-1)

    return jax.jit(embed, in_shardings=(everywhere, everywhere, rows), out_shardings=everywhere)


def extract(embed: Embed, source: Source, batch_size: int, placement: Placement) -> Extracted:
    """Extracts the features of a whole source.

    Args:
      embed: ``batch -> [n, d]``.
      source: of examples.
      batch_size: is rounded up to a multiple of the devices.
      placement: of the batches.

    Returns:
      The features, and the labels if the source has any.
    """
    size = _split_size(batch_size, source, placement)
    features, columns = [], defaultdict(list)
    for batch, counts in padded_batches(source, size):
        features.append(np.asarray(embed(placement.put_batch(batch)))[counts])
        for name, values in batch.items():
            if values.ndim == 1:
                columns[name].append(values[counts])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Extracted(np.concatenate(features), joined.pop("label", None), joined)


def mean_scores(
    method: Method,
    params: Any,
    extra: Any,
    source: Source,
    key: jax.Array,
    batch_size: int,
    placement: Placement,
) -> dict[str, float]:
    """Returns the means of a method's own scores over a whole source.

    Args:
      method: whose ``score`` is run.
      params: the method's.
      extra: the method's.
      source: of examples.
      key: for what the method draws; the batch's number is folded in.
      batch_size: is rounded up to a multiple of the devices.
      placement: of the arrays.
    """
    everywhere, rows = placement.replicated, placement.rows
    score = jax.jit(
        method.score,
        in_shardings=(everywhere, everywhere, rows, everywhere),
        out_shardings=everywhere,
    )
    params, extra = jax.device_put((params, extra), everywhere)
    size = _split_size(batch_size, source, placement)
    found = defaultdict(list)
    for number, (batch, counts) in enumerate(padded_batches(source, size)):
        scores = score(params, extra, placement.put_batch(batch), jax.random.fold_in(key, number))
        for name, values in scores.items():
            found[name].append(np.asarray(values, np.float64)[counts])
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}


def _split_size(batch_size: int, source: Source, placement: Placement) -> int:
    devices = placement.mesh.size
    return -(-min(batch_size, len(source)) // devices) * devices
