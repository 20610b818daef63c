"""Decoders from features to pictures and discriminators of real pictures, as in DCGAN.

Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, 2016, https://arxiv.org/abs/1511.06434.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.backbones.dcgan import halvings
from ssl_jax.nn.conv import Conv, doubled
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import batch_norm

GRID = 4  # side of the map that a decoder starts from


class Doubling(nnx.Module):
    """A transposed 4x4 convolution of stride 2 without a bias, which doubles the sides.

    As in DCGAN, the kernel starts from a normal distribution with a standard deviation of .02.
    """

    def __init__(self, in_features: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        shape = (4, 4, in_features, width)
        self.kernel = nnx.Param(0.02 * jax.random.normal(rngs.params(), shape))
        self.dtype = dtype

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n p q o"]:
        """Maps ``[n, h, w, i]`` to ``[n, 2 h, 2 w, o]``."""
        return doubled(x.astype(self.dtype), self.kernel[...].astype(self.dtype))


class ChannelWise(nnx.Module):
    """A fully connected layer over the positions of each channel, then a 1x1 convolution.

    It moves information across the map with far fewer weights than a layer that also connects the
    channels; the convolution mixes those.

    References:
      Pathak et al., Context Encoders, 2016, section 3.1, https://arxiv.org/abs/1604.07379
    """

    def __init__(self, in_features: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        positions, channels = GRID**2, in_features // GRID**2
        initializer = jax.nn.initializers.lecun_normal(in_axis=1, out_axis=2, batch_axis=(0,))
        self.kernel = nnx.Param(initializer(rngs.params(), (channels, positions, positions)))
        self.mix = Conv(channels, width, 1, dtype=dtype, rngs=rngs)
        self.dtype = dtype

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n 4 4 o"]:
        """Maps the features of a 4 x 4 map, one position after the other, to a 4 x 4 map."""
        del train
        x = x.astype(self.dtype).reshape(len(x), GRID**2, -1)
        x = jnp.einsum("nsc,cst->ntc", x, self.kernel[...].astype(self.dtype))
        return self.mix(x.reshape(len(x), GRID, GRID, -1))


class Bottleneck(nnx.Module):
    """Squeezes all features through a few numbers: ``nBottleneck`` in Pathak et al.'s code."""

    def __init__(
        self, in_features: int, size: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.down = Linear(in_features, size, use_bias=False, dtype=dtype, rngs=rngs)
        self.norm = batch_norm(size, dtype=dtype, rngs=rngs)
        self.up = Linear(size, GRID**2 * width, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n 4 4 o"]:
        """Applies linear, BatchNorm, leaky ReLU and linear, and returns a 4 x 4 map."""
        x = nnx.leaky_relu(self.norm(self.down(x), use_running_average=not train), 0.2)
        return self.up(x).reshape(len(x), GRID, GRID, -1)


class Dense(nnx.Module):
    """A fully connected layer from features of any kind to a 4 x 4 map."""

    def __init__(self, in_features: int, width: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.up = Linear(in_features, GRID**2 * width, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n 4 4 o"]:
        """Maps ``[n, in_features]`` to ``[n, 4, 4, width]``."""
        del train
        return self.up(x).reshape(len(x), GRID, GRID, -1)


class Decoder(nnx.Module):
    """Decodes features into a square picture.

    Args:
      first: maps the features to a map ``[n, 4, 4, widths[0]]``: ``Dense``, ``Bottleneck`` or
        ``ChannelWise``.
      widths: channels of the first 4 x 4 map and of each doubled map before the picture.
      channels: of the picture.
      side: of the picture, which is cropped from the center of the last map.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.

    Raises:
      ValueError: ``widths`` are too few to reach the side.
    """

    def __init__(
        self,
        first: Dense | Bottleneck | ChannelWise,
        widths: Sequence[int],
        channels: int,
        side: int,
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        made = GRID * 2 ** len(widths)
        if made < side:
            raise ValueError(f"{len(widths)} doublings make {made} pixels; expected {side}")
        self.start, self.side = (made - side) // 2, side
        self.first = first
        self.norms = nnx.List([batch_norm(width, dtype=dtype, rngs=rngs) for width in widths])
        self.layers = nnx.List(
            [
                Doubling(i, o, dtype=dtype, rngs=rngs)
                for i, o in zip(widths, [*widths[1:], channels], strict=True)
            ]
        )

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n s s c"]:
        """Maps features ``[n, i]`` to pictures of any range, float32."""
        x = self.first(x, train=train)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(nnx.relu(norm(x, use_running_average=not train)))
        inside = slice(self.start, self.start + self.side)
        return x[:, inside, inside].astype(jnp.float32)


class Discriminator(nnx.Module):
    """Returns one logit per picture; above 0 means real.

    Args:
      channels: of the pictures.
      widths: channels of each convolution.
      side: of the pictures.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        side: int,
        *,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.layers = nnx.List(halvings(channels, widths, dtype=dtype, rngs=rngs))
        left = -(-side // 2 ** len(widths))
        self.last = Linear(left**2 * widths[-1], 1, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n s s c"], *, train: bool) -> Float[Array, " n"]:
        """Maps ``[n, side, side, channels]`` to logits ``[n]``."""
        for layer in self.layers:
            x = layer(x, train=train)
        return self.last(x.reshape(len(x), -1))[:, 0]
