"""Decoders of MLPs: from features back to pixels."""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.backbones.mlp import ACTIVATIONS, MLP
from ssl_jax.nn.linear import Linear


class MLPDecoder(nnx.Module):
    """Linear layers with the activation between them; the last one gives the pixels.

    Args:
      in_features: of the features.
      widths: of the layers before the last.
      channels: of the picture.
      side: of the picture.
      activation: one of ``ACTIVATIONS``.
      dtype: of the computation; parameters are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        channels: int,
        side: int,
        *,
        activation: str,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.side, self.activation = side, activation
        pairs = itertools.pairwise([in_features, *widths, side**2 * channels])
        self.layers = nnx.List([Linear(i, o, dtype=dtype, rngs=rngs) for i, o in pairs])

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n s s c"]:
        """Maps features to pictures of any range, float32."""
        del train
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
        x = self.layers[-1](x).astype(jnp.float32)
        return x.reshape(len(x), self.side, self.side, -1)


class TiedDecoder(nnx.Module):
    """An MLP backwards: the transposes of its weights, and biases of its own.

    Args:
      encoder: the MLP.
      side: of the picture.
      dtype: of the computation; parameters are float32.
    """

    def __init__(self, encoder: MLP, side: int, *, dtype: DTypeLike = jnp.float32):
        self.side, self.activation, self.dtype = side, encoder.activation, dtype
        sizes = [layer.in_features for layer in encoder.layers]
        self.biases = nnx.List([nnx.Param(jnp.zeros(size)) for size in sizes])

    def __call__(
        self, x: Float[Array, "n i"], encoder: MLP, *, train: bool
    ) -> Float[Array, "n s s c"]:
        """Maps the encoder's features to pictures of any range, float32."""
        del train
        pairs = list(zip(encoder.layers, self.biases, strict=True))
        for number, (layer, bias) in enumerate(reversed(pairs)):
            x = x if number == 0 else ACTIVATIONS[self.activation](x)
            kernel = layer.kernel[...].astype(self.dtype)
            x = x.astype(self.dtype) @ kernel.T + bias[...].astype(self.dtype)
        return x.astype(jnp.float32).reshape(len(x), self.side, self.side, -1)
