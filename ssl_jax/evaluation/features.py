"""Features, extracted once: by padded batches, so that every example counts exactly once."""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ssl_jax.data import Source, padded_batches
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Method
from ssl_jax.sharding import put_batch, replicated, split

Embed = Callable[[Batch], jax.Array]


class Extracted(NamedTuple):
    """What stands for a source's examples, in its order.

    Attributes:
      z: ``[n, d]`` float32.
      y: ``[n]`` labels, or None.
      columns: what else of the source is one number an example, ``{name: [n]}``.
    """

    z: np.ndarray
    y: np.ndarray | None
    columns: Mapping[str, np.ndarray] = {}

    def labelled(self, column: str) -> "Extracted":
        """The same features with a column as the labels; ``label`` is what they have already."""
        return self if column == "label" else self._replace(y=self.columns[column])


def check_layers(
    method: Method, params: Any, extra: Any, batch: Batch, settings: ConfigDict
) -> None:
    """See, without computing anything, that the method has the layers to be evaluated.

    Args:
      method: whose ``embed`` is asked.
      params: the method's.
      extra: the method's.
      batch: arrays or ShapeDtypeStructs.
      settings: ``config.evaluation``, whose ``layers`` and ``probe_layers`` are checked.

    Raises:
      InputError: names the first that it does not have.
    """
    outputs = jax.eval_shape(method.embed, params, extra, batch)
    for key in ("layers", "probe_layers"):
        for layer in settings[key]:
            if layer not in outputs:
                known = ", ".join(outputs)
                raise InputError(f"evaluation.{key}: {layer!r}; expected some of {known}")


def make_embed(method: Method, params: Any, extra: Any, layers: Sequence[str], mesh: Mesh) -> Embed:
    """Builds the compiled ``batch -> [n, d]`` of a network.

    Networks of one method and the same layers share what was compiled.

    Args:
      method: whose ``embed`` is run.
      params: the method's.
      extra: the method's.
      layers: names of its outputs, side by side in the result.
      mesh: over whose devices a batch is split.
    """
    compiled = _jitted_embed(method, tuple(layers), mesh)
    params, extra = jax.device_put((params, extra), replicated(mesh))
    return lambda batch: compiled(params, extra, batch)


@functools.lru_cache(maxsize=16)
def _jitted_embed(method: Method, layers: tuple[str, ...], mesh: Mesh) -> Callable[..., jax.Array]:
    everywhere, rows = replicated(mesh), split(mesh)

    def embed(params: Any, extra: Any, batch: Batch) -> jax.Array:
        outputs = method.embed(params, extra, batch)
        return jnp.concatenate([outputs[layer] for layer in layers], axis=-1)

    return jax.jit(embed, in_shardings=(everywhere, everywhere, rows), out_shardings=everywhere)


def extract(embed: Embed, source: Source, batch_size: int, mesh: Mesh) -> Extracted:
    """Features of a whole source.

    Args:
      embed: ``batch -> [n, d]``.
      source: of examples.
      batch_size: rounded up to a multiple of the devices.
      mesh: over whose devices a batch is split.

    Returns:
      The features, and the labels if the source has any.
    """
    size = -(-min(batch_size, len(source)) // mesh.size) * mesh.size
    features, columns = [], defaultdict(list)
    for batch, counts in padded_batches(source, size):
        features.append(np.asarray(embed(put_batch(mesh, batch)))[counts])
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
    mesh: Mesh,
) -> dict[str, float]:
    """The means of a method's own scores over a whole source; every example counts once.

    Args:
      method: whose ``score`` is run.
      params: the method's.
      extra: the method's.
      source: of examples.
      key: of what the method draws; folded with the number of the batch.
      batch_size: rounded up to a multiple of the devices.
      mesh: over whose devices a batch is split.
    """
    everywhere, rows = replicated(mesh), split(mesh)
    score = jax.jit(
        method.score,
        in_shardings=(everywhere, everywhere, rows, everywhere),
        out_shardings=everywhere,
    )
    params, extra = jax.device_put((params, extra), everywhere)
    size = -(-min(batch_size, len(source)) // mesh.size) * mesh.size
    found = defaultdict(list)
    for number, (batch, counts) in enumerate(padded_batches(source, size)):
        scores = score(params, extra, put_batch(mesh, batch), jax.random.fold_in(key, number))
        for name, values in scores.items():
            found[name].append(np.asarray(values, np.float64)[counts])
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}
