"""The network of colorization, which predicts a small map of colors for a gray image."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.conv import Conv
from ssl_jax.nn.generative import GRID, Doubling
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import batch_norm


class ColorDecoder(nnx.Module):
    """Decodes the features of a 4 x 4 map to a larger map.

    A 3x3 convolution and a doubling for each further width, all with BatchNorm and ReLU, and a
    linear layer at each position.

    Args:
      features: 16 times the channels of the 4 x 4 map.
      widths: channels after the convolution and after each doubling.
      channels: of the result.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        features: int,
        widths: Sequence[int],
        channels: int,
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.first = Conv(features // GRID**2, widths[0], 3, dtype=dtype, rngs=rngs)
        self.doublings = nnx.List(
            [Doubling(i, o, dtype=dtype, rngs=rngs) for i, o in pairwise(widths)]
        )
        self.norms = nnx.List([batch_norm(width, dtype=dtype, rngs=rngs) for width in widths])
        self.last = Linear(widths[-1], channels, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n s s o"]:
        """Maps ``[n, features]`` to ``[n, s, s, channels]`` float32, ``s = 4 * 2^(widths - 1)``."""
        x = x.reshape(len(x), GRID, GRID, -1)
        for layer, norm in zip([self.first, *self.doublings], self.norms, strict=True):
            x = nnx.relu(norm(layer(x), use_running_average=not train))
        return self.last(x).astype(jnp.float32)


class Colorizer(nnx.Module):
    """An encoder, and two decoders that predict colors from its feature map.

    Args:
      encoder: a module of ``nn.backbones`` whose features are a 4 x 4 map.
      classifier: its gradient trains the encoder.
      regressor: its gradient stops before the encoder.
    """

    def __init__(self, encoder: Any, classifier: ColorDecoder, regressor: ColorDecoder):
        self.encoder = encoder
        self.classifier = classifier
        self.regressor = regressor

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns the encoder's layers, the classifier's ``logits`` and the regressor's ``ab``."""
        layers = self.encoder(images, train=train)
        logits = self.classifier(layers["features"], train=train)
        ab = self.regressor(jax.lax.stop_gradient(layers["features"]), train=train)
        return layers | {"logits": logits, "ab": ab}
