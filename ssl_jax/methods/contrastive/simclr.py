"""SimCLR: two random views of an image attract; views of all other images repel.

Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
https://arxiv.org/abs/2002.05709, Algorithm 1:

    h = f(view),  z = g(h),  loss = mean of NT-Xent(z1, z2) over all 2n views

``f`` is a ResNet, ``g`` a projector that is discarded after pretraining; features are ``h``.

Deviations: none in the loss. BatchNorm sees both views of the batch jointly and over all devices,
and the projector ends in one, as in the authors' code. On images with one channel, color operations
that would change nothing are skipped. Run by ``configs/simclr.py``.
"""

from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, simclr_augmentation, views_of
from ssl_jax.methods.common.networks import backbone_and_projector
from ssl_jax.nn import from_module

SETTINGS = {
    "temperature": settings.real(0.1, "temperature of the softmax over similarities", above=0),
    "projector": settings.widths((2048, 128), "widths of the projector's layers"),
    "output_norm": settings.flag(
        True,
        "whether the projector ends in BatchNorm, without learned offsets",
        earlier=lambda _: False,
    ),
    **simclr_augmentation(area=(0.08, 1.0), strength=1.0, blur=0.5),
}


def make(config: ConfigDict) -> Method:
    """Builds SimCLR from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: backbone_and_projector(config, rngs, output_norm=config.method.output_norm),
        microbatches=config.train.microbatches,
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
        z1, z2 = layers["z"]
        value = losses.nt_xent(z1, z2, temperature=config.method.temperature).mean()
        chance = vitals.of_choice(2 * len(z1) - 1)
        return value, (stats, chance | vitals.of_embeddings(z1))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return layers

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(
        init, views, loss, no_update, embed, backbone=backbone, with_backbone=with_backbone
    )
