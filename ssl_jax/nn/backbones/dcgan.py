"""DCGAN's discriminator, a stack of convolutions of stride 2, and encoders like it."""

from collections.abc import Collection, Sequence
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax.nn.backbones.pool import cell_means
from ssl_jax.nn.conv import Conv
from ssl_jax.nn.functional import rematerialized
from ssl_jax.nn.norm import batch_norm


class Halving(nnx.Module):
    """A 4x4 convolution of stride 2, BatchNorm if ``norm``, and leaky ReLU with slope .2."""

    def __init__(
        self, in_features: int, width: int, *, norm: bool, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.conv = Conv(in_features, width, 4, stride=2, dtype=dtype, rngs=rngs)
        self.norm = batch_norm(width, dtype=dtype, rngs=rngs) if norm else None

    def __call__(self, x: Float[Array, "n h w i"], *, train: bool) -> Float[Array, "n p q o"]:
        """Halves the sides, rounded up."""
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, use_running_average=not train)
        return nnx.leaky_relu(x, 0.2)


def halvings(
    channels: int, widths: Sequence[int], *, dtype: DTypeLike, rngs: nnx.Rngs
) -> list[Halving]:
    """Builds one layer per width; the first has no BatchNorm.

    Args:
      channels: of the images.
      widths: channels of each layer.
      dtype: of the computation.
      rngs: ``params`` initializes.

    References:
      Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative
      Adversarial Networks, 2016, section 3, https://arxiv.org/abs/1511.06434
    """
    return [
        Halving(i, o, norm=number > 0, dtype=dtype, rngs=rngs)
        for number, (i, o) in enumerate(zip([channels, *widths], widths, strict=False))
    ]


class DCGANEncoder(nnx.Module):
    """Layers that halve the sides, then pooling of the remaining map.

    Args:
      channels: of the images.
      widths: channels of each layer.
      pool: ``mean`` over all positions, or ``grid``: means over the cells of a 4 x 4 grid.
      remat: whether the backward pass recomputes the layers, and so holds the activations of one
        at a time.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        *,
        channels: int,
        widths: Sequence[int],
        pool: str = "mean",
        remat: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.remat = remat
        self.cells = {"mean": 1, "grid": 4}[pool]
        self.layers = nnx.List(halvings(channels, widths, dtype=dtype, rngs=rngs))
        self.features = self.cells**2 * widths[-1]

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        keep: Float[Array, "n r"] | None = None,
        *,
        train: bool,
        frozen: Collection[str] = (),
    ) -> dict[str, Float[Array, "n ..."]]:
        """Computes features of normalized images.

        Args:
          images: ``[n, h, w, c]``.
          keep: has no effect: there are no residual branches.
          train: whether BatchNorm uses the batch's statistics and updates its running ones.
          frozen: layers in which it does neither: ``layer1``, ``layer2``, ...

        Returns:
          ``layer1``, ``layer2``, ...: each layer's output, pooled, float32; ``features``: the last
          of them; unless ``train``, ``patches`` ``[n, t, d]``: the last layer's output at each
          position, row by row.
        """
        del keep
        x, outputs = images, {}
        for number, layer in enumerate(self.layers, start=1):
            name = f"layer{number}"
            run = partial(rematerialized, layer) if self.remat else layer
            x = run(x, train=train and name not in frozen)
            outputs[name] = cell_means(x, self.cells)
        outputs["features"] = outputs[f"layer{len(self.layers)}"]
        if train:
            return outputs
        patches = x.reshape(len(x), -1, x.shape[-1])
        return outputs | {"patches": patches.astype(jnp.float32)}


context_encoder = partial(DCGANEncoder, widths=(64, 64, 128, 256, 512))
