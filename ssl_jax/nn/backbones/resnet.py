"""Residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385), and one for CPUs."""

from collections.abc import Collection, Sequence
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ssl_jax import settings
from ssl_jax.nn.backbones.pool import cell_means
from ssl_jax.nn.conv import Conv
from ssl_jax.nn.drop_path import scaled
from ssl_jax.nn.functional import rematerialized
from ssl_jax.nn.norm import batch_norm

STEMS = {"imagenet": (7, 2), "small": (3, 1), "patch": (4, 2)}  # kernel size and stride
SETTINGS = {
    "stem": settings.choice("patch", "stem of ResNets", tuple(STEMS)),
    "zero_residual": settings.flag(
        False,
        "whether a ResNet's residual branches start at zero: the scale of their last BatchNorm",
    ),
}


class ResNet(nnx.Module):
    """A stem, stages of residual blocks, and pooling. Each stage but the first halves the sides.

    Args:
      channels: of the images.
      blocks: number of blocks in each stage.
      widths: channels of each stage, before a bottleneck's expansion.
      bottleneck: whether blocks are ``Bottleneck`` (ResNet-50 and larger) or ``BasicBlock``.
      stem: ``imagenet`` (7x7 of stride 2, then 3x3 max pooling of stride 2), ``small`` (3x3 of
        stride 1, for 32x32 images) or ``patch`` (4x4 of stride 2, for small images on a CPU).
      pool: ``mean`` over all positions, as in the paper, or ``grid``: means over the cells of a
        4 x 4 grid, concatenated, which keep the layout of the image.
      zero_residual: whether the last BatchNorm of each block starts with a scale of 0, so that
        every block starts as the identity (Goyal et al. 2017, https://arxiv.org/abs/1706.02677).
      remat: whether the backward pass recomputes the blocks, and so holds the activations of one
        at a time.
      dtype: of the computation; parameters and statistics are float32.
      rngs: ``params`` initializes.
    """

    def __init__(
        self,
        *,
        channels: int,
        blocks: Sequence[int],
        widths: Sequence[int],
        bottleneck: bool,
        stem: str,
        pool: str = "mean",
        zero_residual: bool = False,
        remat: bool = False,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        kernel_size, stride = STEMS[stem]
        self.stem = stem
        self.remat = remat
        self.cells = {"mean": 1, "grid": 4}[pool]
        self.conv = Conv(channels, widths[0], kernel_size, stride=stride, dtype=dtype, rngs=rngs)
        self.norm = batch_norm(widths[0], dtype=dtype, rngs=rngs)
        block = partial(
            Bottleneck if bottleneck else BasicBlock,
            zero_residual=zero_residual,
            dtype=dtype,
            rngs=rngs,
        )
        stages, features = [], widths[0]
        for stage, (depth, width) in enumerate(zip(blocks, widths, strict=True)):
            layers = []
            for position in range(depth):
                stride = 2 if stage > 0 and position == 0 else 1
                layers.append(block(features, width, stride=stride))
                features = layers[-1].features
            stages.append(nnx.List(layers))
        self.stages = nnx.List(stages)
        self.features = self.cells**2 * features

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
          keep: factors of the residual branches, one per block; see ``drop_path``.
          train: whether BatchNorm uses the batch's statistics and updates its running ones.
          frozen: blocks in which it does neither: ``stem``, ``stage1``, ...

        Returns:
          ``stage1``, ``stage2``, ...: each stage's output, pooled, float32; ``features``: the
          last of them; unless ``train``, ``patches`` ``[n, t, d]``: the last stage's output at each
          position, row by row.
        """
        running = not train or "stem" in frozen
        x = nnx.relu(self.norm(self.conv(images), use_running_average=running))
        if self.stem == "imagenet":
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        outputs, branch = {}, 0
        for number, stage in enumerate(self.stages, start=1):
            name = f"stage{number}"
            for block in stage:
                run = partial(rematerialized, block) if self.remat else block
                factors = None if keep is None else keep[:, branch]
                x = run(x, factors, train=train and name not in frozen)
                branch += 1
            outputs[name] = cell_means(x, self.cells)
        outputs["features"] = outputs[f"stage{len(self.stages)}"]
        if train:
            return outputs
        patches = x.reshape(len(x), -1, x.shape[-1])
        return outputs | {"patches": patches.astype(jnp.float32)}


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions and a residual connection."""

    def __init__(
        self,
        in_features: int,
        width: int,
        *,
        stride: int,
        zero_residual: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.features = width
        self.conv1 = Conv(in_features, width, 3, stride=stride, dtype=dtype, rngs=rngs)
        self.norm1 = batch_norm(width, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(width, width, 3, dtype=dtype, rngs=rngs)
        self.norm2 = batch_norm(width, zero_scale=zero_residual, dtype=dtype, rngs=rngs)
        self.shortcut = _shortcut(in_features, width, stride, dtype, rngs)

    def __call__(
        self, x: Float[Array, "n h w i"], keep: Float[Array, " n"] | None = None, *, train: bool
    ) -> Float[Array, "n p q o"]:
        """Returns ``relu(x + keep f(x))``."""
        running = not train
        y = nnx.relu(self.norm1(self.conv1(x), use_running_average=running))
        y = scaled(self.norm2(self.conv2(y), use_running_average=running), keep)
        return nnx.relu(y + (self.shortcut(x, train=train) if self.shortcut else x))


class Bottleneck(nnx.Module):
    """Convolutions 1x1, 3x3 (strided) and 1x1 to four times the width; a residual connection."""

    def __init__(
        self,
        in_features: int,
        width: int,
        *,
        stride: int,
        zero_residual: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.features = 4 * width
        self.conv1 = Conv(in_features, width, 1, dtype=dtype, rngs=rngs)
        self.norm1 = batch_norm(width, dtype=dtype, rngs=rngs)
        self.conv2 = Conv(width, width, 3, stride=stride, dtype=dtype, rngs=rngs)
        self.norm2 = batch_norm(width, dtype=dtype, rngs=rngs)
        self.conv3 = Conv(width, self.features, 1, dtype=dtype, rngs=rngs)
        self.norm3 = batch_norm(self.features, zero_scale=zero_residual, dtype=dtype, rngs=rngs)
        self.shortcut = _shortcut(in_features, self.features, stride, dtype, rngs)

    def __call__(
        self, x: Float[Array, "n h w i"], keep: Float[Array, " n"] | None = None, *, train: bool
    ) -> Float[Array, "n p q o"]:
        """Returns ``relu(x + keep f(x))``."""
        running = not train
        y = nnx.relu(self.norm1(self.conv1(x), use_running_average=running))
        y = nnx.relu(self.norm2(self.conv2(y), use_running_average=running))
        y = scaled(self.norm3(self.conv3(y), use_running_average=running), keep)
        return nnx.relu(y + (self.shortcut(x, train=train) if self.shortcut else x))


class Projection(nnx.Module):
    """A 1x1 convolution on the residual connection of a block that changes the shape."""

    def __init__(
        self, in_features: int, features: int, *, stride: int, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.conv = Conv(in_features, features, 1, stride=stride, dtype=dtype, rngs=rngs)
        self.norm = batch_norm(features, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w i"], *, train: bool) -> Float[Array, "n p q o"]:
        """Convolves and normalizes."""
        return self.norm(self.conv(x), use_running_average=not train)


def _shortcut(
    in_features: int, features: int, stride: int, dtype: DTypeLike, rngs: nnx.Rngs
) -> Projection | None:
    if stride == 1 and in_features == features:
        return None
    return Projection(in_features, features, stride=stride, dtype=dtype, rngs=rngs)


resnet18 = partial(ResNet, blocks=(2, 2, 2, 2), widths=(64, 128, 256, 512), bottleneck=False)
resnet34 = partial(ResNet, blocks=(3, 4, 6, 3), widths=(64, 128, 256, 512), bottleneck=False)
resnet50 = partial(ResNet, blocks=(3, 4, 6, 3), widths=(64, 128, 256, 512), bottleneck=True)
resnet_small = partial(ResNet, blocks=(0, 1, 1), widths=(16, 32, 64), bottleneck=False)
