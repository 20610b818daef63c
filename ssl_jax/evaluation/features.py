"""Extracts features in padded batches; every example counts exactly once."""

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
      columns: the source's other entries with one number per example, ``{name: [n]}``.
    """

    z: np.ndarray
    y: np.ndarray | None
    columns: Mapping[str, np.ndarray] = {}

    def labeled(self, column: str) -> "Extracted":
        """Returns the same features with another column as labels; ``label`` stands for ``y``."""
        return self if column == "label" else self._replace(y=self.columns[column])


def check_layers(
    method: Method, params: Any, extra: Any, batch: Batch, settings: ConfigDict
) -> None:
    """Checks, without computing anything, that the method has the layers to evaluate.

    Args:
      method: its ``embed`` must return the layers.
      params: the method's parameters.
      extra: the method's other state.
      batch: arrays or ShapeDtypeStructs.
      settings: ``config.evaluation``, with ``layers``, ``linear_layers`` and ``probe_layers``.

    Raises:
      InputError: a layer is missing or is not one vector per example; names the first one.
    """
    outputs = jax.eval_shape(method.embed, params, extra, batch)
    vectors = [name for name, layer in outputs.items() if layer.ndim == 2]
    for key in ("layers", "linear_layers", "probe_layers"):
        for layer in settings[key]:
            if layer not in vectors:
                reason = " is not one vector per example" if layer in outputs else ""
                known = ", ".join(vectors)
                raise InputError(f"evaluation.{key}: {layer!r}{reason}; expected some of {known}")


def make_embed(
    method: Method, params: Any, extra: Any, layers: Sequence[str], placement: Placement
) -> Embed:
    """Builds the compiled function from a batch to features ``[n, d]``.

    Calls with the same method and layers share one compilation.

    Args:
      method: its ``embed`` computes the features.
      params: the method's parameters.
      extra: the method's other state.
      layers: outputs of ``embed`` to concatenate, by name.
      placement: where the arrays live.
    """
    compiled = _jitted_embed(method, tuple(layers), placement)
    params, extra = jax.device_put((params, extra), placement.replicated)
    return lambda batch: compiled(params, extra, batch)


def make_predict(method: Method, params: Any, extra: Any, placement: Placement) -> Embed:
    """Builds the compiled function from a batch to the logits of a method that can classify.

    Args:
      method: its ``predict`` computes the logits.
      params: the method's parameters.
      extra: the method's other state.
      placement: where the arrays live.
    """
    replicated, rows = placement.replicated, placement.rows
    assert method.predict is not None
    compiled = jax.jit(
        method.predict, in_shardings=(replicated, replicated, rows), out_shardings=replicated
    )
    params, extra = jax.device_put((params, extra), replicated)
    return lambda batch: compiled(params, extra, batch)


@functools.lru_cache(maxsize=16)
def _jitted_embed(
    method: Method, layers: tuple[str, ...], placement: Placement
) -> Callable[..., jax.Array]:
    replicated, rows = placement.replicated, placement.rows

    def embed(params: Any, extra: Any, batch: Batch) -> jax.Array:
        outputs = method.embed(params, extra, batch)
        return jnp.concatenate([outputs[layer] for layer in layers], axis=-1)

    return jax.jit(embed, in_shardings=(replicated, replicated, rows), out_shardings=replicated)


def extract(embed: Embed, source: Source, batch_size: int, placement: Placement) -> Extracted:
    """Extracts the features of a whole source.

    Args:
      embed: ``batch -> [n, d]``.
      source: the examples.
      batch_size: examples per batch, rounded up to a multiple of the number of devices.
      placement: where the batches live.

    Returns:
      The features, and the labels if the source has any.
    """
    size = _rounded_up(batch_size, source, placement)
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
      method: its ``score`` is averaged.
      params: the method's parameters.
      extra: the method's other state.
      source: the examples.
      key: of the method's randomness; the number of the batch is folded in.
      batch_size: examples per batch, rounded up to a multiple of the number of devices.
      placement: where the arrays live.
    """
    replicated, rows = placement.replicated, placement.rows
    score = jax.jit(
        method.score,
        in_shardings=(replicated, replicated, rows, replicated),
        out_shardings=replicated,
    )
    params, extra = jax.device_put((params, extra), replicated)
    size = _rounded_up(batch_size, source, placement)
    found = defaultdict(list)
    for number, (batch, counts) in enumerate(padded_batches(source, size)):
        scores = score(params, extra, placement.put_batch(batch), jax.random.fold_in(key, number))
        for name, values in scores.items():
            found[name].append(np.asarray(values, np.float64)[counts])
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}


def _rounded_up(batch_size: int, source: Source, placement: Placement) -> int:
    devices = placement.mesh.size
    return -(-min(batch_size, len(source)) // devices) * devices
