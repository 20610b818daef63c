"""Heads, which map a backbone's features to the inputs of a loss."""

import itertools
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.gelu import gelu
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import batch_norm
from ssl_jax.nn.transformer import by_fan_in, initializer


class MLP(nnx.Module):
    """Linear layers with BatchNorm and ReLU between them; SimCLR's projector has two.

    Args:
      in_features: width of the input.
      widths: width of each layer; the last is that of the output.
      norm: whether there is BatchNorm; without it, as in MoCo v2, hidden layers have biases.
      output_norm: whether the output is normalized too, without learned offsets, as in SimCLR's
        code; then the last layer has no biases.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        *,
        norm: bool = True,
        output_norm: bool = False,
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
        self.last = Linear(*pairs[-1], use_bias=not output_norm, dtype=dtype, rngs=rngs)
        self.output_norm = (
            batch_norm(widths[-1], center=False, dtype=dtype, rngs=rngs) if output_norm else None
        )

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n o"]:
        """Maps ``[n, in_features]`` to ``[n, widths[-1]]``."""
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = layer(x)
            x = nnx.relu(x if norm is None else norm(x, use_running_average=not train))
        x = self.last(x)
        return x if self.output_norm is None else self.output_norm(x, use_running_average=not train)


class PrototypeHead(nnx.Module):
    """DINO's head: an MLP with GELU, then the cosine to each prototype.

    ``logits_k = s_k cos(mlp(x), prototype_k)``: the last layer is weight-normalized. Its scales
    ``s_k`` start at 1 and may be learned. There is no BatchNorm. Weights start from a normal
    distribution with a standard deviation of .02, prototypes as PyTorch's linear layers do.

    Args:
      in_features: width of the input.
      widths: width of each layer of the MLP; the last is a bottleneck.
      prototypes: number of prototypes.
      scaled: whether the scales are learned; otherwise they stay 1.
      dtype: of the computation; parameters and logits are float32.
      rngs: ``params`` initializes.

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, section 3.2
      and appendix C, https://arxiv.org/abs/2104.14294
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        prototypes: int,
        *,
        scaled: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        pairs = itertools.pairwise([in_features, *widths])
        layer = partial(Linear, kernel_init=initializer, dtype=dtype, rngs=rngs)
        self.layers = nnx.List([layer(i, o) for i, o in pairs])
        self.prototypes = nnx.Param(by_fan_in(rngs.params(), (widths[-1], prototypes)))
        self.scales = nnx.Param(jnp.ones((1, prototypes))) if scaled else None

    def __call__(self, x: Float[Array, "n i"]) -> Float[Array, "n k"]:
        """Maps ``[n, in_features]`` to logits ``[n, prototypes]``, from -1 to 1 times the scale."""
        for layer in self.layers[:-1]:
            x = gelu(layer(x))
        x = self.layers[-1](x).astype(jnp.float32)
        cosines = _unit(x) @ _unit(self.prototypes[...].T).T
        return cosines if self.scales is None else self.scales[...] * cosines


def _unit(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Scales vectors to length 1."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-12))
