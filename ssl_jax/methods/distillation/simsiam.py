"""SimSiam: each view predicts the other, and no gradient reaches the view that is predicted.

Chen & He, Exploring Simple Siamese Representation Learning, 2021,
https://arxiv.org/abs/2011.10566, equations 1 to 4 and Algorithm 1:

    z = g(f(v)),  p = h(z),  D(p, z) = -cos(p, z)
    L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2

``f`` is a ResNet, ``g`` a projector that ends in BatchNorm, ``h`` a predictor with a bottleneck;
features are ``f(v)``. There are no negatives and there is no teacher. Without the stop-gradient all
embeddings become one point, which minimizes the loss.

As in most of the paper, the learning rate of ``h`` is constant (``optimizer.groups.predictor``).

Deviations: the loss is ``1 + L``, which has the same gradient and a minimum of 0. The projector's
last BatchNorm has a scale and a shift, which the authors' code leaves out. BatchNorm sees both
views of the batch jointly and over all devices; in the authors' code it sees each view alone. On
images with one channel, color operations that would change nothing are skipped. Run by
``configs/simsiam.py``.
"""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, simclr_augmentation, views_of
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.heads import MLP
from ssl_jax.nn.linear import Linear
from ssl_jax.nn.norm import batch_norm

SETTINGS = {
    "projector": settings.widths((2048, 2048, 2048), "widths of the projector's layers"),
    "predictor": settings.widths((512,), "widths of the predictor's hidden layers"),
    **simclr_augmentation(area=(0.2, 1.0), strength=0.5, blur=0.5),
}


class Projector(nnx.Module):
    """The paper's section 3: linear layers, each with BatchNorm and, but for the last, ReLU."""

    def __init__(
        self, in_features: int, widths: Sequence[int], *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        sizes = pairwise([in_features, *widths])
        self.layers = nnx.List(
            [Linear(i, o, use_bias=False, dtype=dtype, rngs=rngs) for i, o in sizes]
        )
        self.norms = nnx.List([batch_norm(o, dtype=dtype, rngs=rngs) for o in widths])

    def __call__(self, x: Float[Array, "n i"], *, train: bool) -> Float[Array, "n o"]:
        """Maps ``[n, in_features]`` to ``[n, widths[-1]]``."""
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(x if number == 0 else nnx.relu(x)), use_running_average=not train)
        return x


class Siamese(nnx.Module):
    """The network that is applied to both views: the backbone's layers, ``z`` and ``p``."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        widths, hidden = config.method.projector, config.method.predictor
        dtype = jnp.dtype(config.network.dtype)
        self.backbone = backbones.make(config, rngs)
        self.projector = Projector(self.backbone.features, widths, dtype=dtype, rngs=rngs)
        self.predictor = MLP(widths[-1], (*hidden, widths[-1]), dtype=dtype, rngs=rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images."""
        layers = self.backbone(images, train=train)
        z = self.projector(layers["features"], train=train)
        return layers | {"z": z, "p": self.predictor(z, train=train)}


def make(config: ConfigDict) -> Method:
    """Builds SimSiam from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: Siamese(config, rngs), microbatches=config.train.microbatches
    )
    view = augment.recipes.simclr(size=config.data.image_size, **config.method.augment)
    views = views_of([view] * 2)
    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, stats = network.apply_views(params, stats, normalize(views["image"]), train=True)
        p1, p2 = layers["p"]
        z1, z2 = jax.lax.stop_gradient(layers["z"])
        distances = losses.cosine_regression(p1, z2) + losses.cosine_regression(p2, z1)
        return distances.mean() / 4, (stats, vitals.of_embeddings(z1))  # each is 2 + 2 D

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return layers

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(
        init, views, loss, no_update, embed, backbone=backbone, with_backbone=with_backbone
    )
