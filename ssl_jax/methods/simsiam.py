"""SimSiam: each view predicts the other; what is predicted gets no gradient. That is all.

Chen & He, Exploring Simple Siamese Representation Learning, 2021,
https://arxiv.org/abs/2011.10566, equations 1 to 4 and Algorithm 1:

    z = g(f(v)),  p = h(z),  D(p, z) = -cos(p, z)
    L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2

``f`` is a ResNet, ``g`` a projector that ends in BatchNorm, ``h`` a predictor with a bottleneck;
features are ``f(v)``. There are no negatives and there is no teacher: without the stop-gradient
all embeddings become one point, which is the best loss there is.

As in most of the paper, the rate of ``h`` does not fall (``optimizer.groups.predictor``).

Deviations: the loss is ``1 + L``, which has the same gradient and is 0 at its best. No weight decay
on biases and norms. The projector's last BatchNorm has a scale and a shift, which the authors' code
leaves out. BatchNorm sees both views of the batch jointly and over all devices, the authors' each
view by itself. On images with one channel the colour operations that have nothing to act on drop
out. Run by ``configs/simsiam.py``.
"""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.images import reader, views_of
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.resnet import batch_norm
from ssl_jax.nn.heads import MLP
from ssl_jax.nn.linear import Linear


class Projector(nnx.Module):
    """Section 3: BatchNorm after each linear layer, the last too, and ReLU after all others."""

    def __init__(
        self, in_features: int, widths: Sequence[int], *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        sizes = pairwise([in_features, *widths])
        self.layers = nnx.List(
            [Linear(i, o, use_bias=False, dtype=dtype, rngs=rngs) for i, o in sizes]
        )
        self.norms = nnx.List([batch_norm(o, dtype=dtype, rngs=rngs) for o in widths])

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n o"]:
        """``[n, in_features]`` to ``[n, widths[-1]]``."""
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(x if number == 0 else nnx.relu(x)), use_running_average=not train)
        return x


class Siamese(nnx.Module):
    """The backbone's layers, ``z`` and ``p``; both views go through it."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        widths, hidden = config.method.projector, config.method.predictor
        dtype = jnp.dtype(config.network.dtype)
        self.backbone = backbones.make(config, rngs)
        self.projector = Projector(self.backbone.features, widths, dtype=dtype, rngs=rngs)
        self.predictor = MLP(widths[-1], (*hidden, widths[-1]), dtype=dtype, rngs=rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """All layers of normalised images."""
        layers = self.backbone(images, train=train)
        z = self.projector(layers["features"], train=train)
        return layers | {"z": z, "p": self.predictor(z, train=train)}


def make(config: ConfigDict) -> Method:
    """SimSiam as the config has it.

    Args:
      config: ``method.projector`` and ``method.predictor`` (widths of their layers; of the
        predictor the hidden ones), ``method.augment`` (arguments of ``augment.recipes.simclr``),
        ``train.microbatches``, what ``backbones.make`` reads, and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: Siamese(config, rngs), microbatches=config.train.microbatches
    )
    views = views_of([augment.recipes.simclr(**config.method.augment)] * 2)

    read = reader(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, stats = network.apply_views(params, stats, read(views["image"]), train=True)
        p1, p2 = layers["p"]
        z1, z2 = jax.lax.stop_gradient(layers["z"])
        distances = losses.cosine_regression(p1, z2) + losses.cosine_regression(p2, z1)
        return distances.mean() / 4, (stats, vitals.of_embeddings(z1))  # each is 2 + 2 D

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers, _ = network.apply(params, stats, read(to_float(batch["image"])), train=False)
        return layers

    return Method(init, views, loss, no_update, embed)
