"""Features, extracted once: by padded batches, so that every example counts exactly once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

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
    """

    z: np.ndarray
    y: np.ndarray | None


def check_layers(
    method: Method, params: Any, extra: Any, batch: Batch, layers: Sequence[str]
) -> None:
    """See, without computing anything, that the method has the layers to be evaluated.

    Raises:
      InputError: names the first that it does not have.
    """
    outputs = jax.eval_shape(method.embed, params, extra, batch)
    for layer in layers:
        if layer not in outputs:
            raise InputError(f"evaluation.layers: {layer!r}; expected some of {', '.join(outputs)}")


def make_embed(method: Method, params: Any, extra: Any, layers: Sequence[str], mesh: Mesh) -> Embed:
    """The compiled ``batch -> [n, d]`` of a network.

    Args:
      method: whose ``embed`` is run.
      params: the method's.
      extra: the method's.
      layers: names of its outputs, side by side in the result.
      mesh: over whose devices a batch is split.
    """
    everywhere, rows = replicated(mesh), split(mesh)

    def embed(params: Any, extra: Any, batch: Batch) -> jax.Array:
        outputs = method.embed(params, extra, batch)
        return jnp.concatenate([outputs[layer] for layer in layers], axis=-1)

    compiled = jax.jit(embed, in_shardings=(everywhere, everywhere, rows), out_shardings=everywhere)
    params, extra = jax.device_put((params, extra), everywhere)
    return lambda batch: compiled(params, extra, batch)


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
    features, labels = [], []
    for batch, counts in padded_batches(source, size):
        features.append(np.asarray(embed(put_batch(mesh, batch)))[counts])
        if "label" in batch:
            labels.append(batch["label"][counts])
    return Extracted(np.concatenate(features), np.concatenate(labels) if labels else None)
