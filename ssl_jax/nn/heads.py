"""Heads: what stands between a backbone's features and a loss."""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.backbones.resnet import batch_norm
from ssl_jax.nn.linear import Linear


class MLP(nnx.Module):
    """Linear layers with BatchNorm and ReLU between them; SimCLR's projector has two.

    Args:
      in_features: width in.
      widths: width of each layer; the last one is the output's.
      norm: False leaves BatchNorm out, and hidden layers have biases instead, as in MoCo v2.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initialises.
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        *,
        norm: bool = True,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        sizes = [in_features, *widths]
        pairs = list(itertools.pairwise(sizes))
        self.hidden = nnx.List(
            [Linear(i, o, use_bias=not norm, dtype=dtype, rngs=rngs) for i, o in pairs[:-1]]
        )
        self.norms = nnx.List(
            [batch_norm(o, dtype=dtype, rngs=rngs) if norm else None for _, o in pairs[:-1]]
        )
        self.last = Linear(*pairs[-1], dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n o"]:
        """``[n, in_features]`` to ``[n, widths[-1]]``."""
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = layer(x)
            x = nnx.relu(x if norm is None else norm(x, use_running_average=not train))
        return self.last(x)
