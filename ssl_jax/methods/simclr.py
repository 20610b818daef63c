"""SimCLR: two random views of an image attract, views of all other images repel.

Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
https://arxiv.org/abs/2002.05709, Algorithm 1:

    h = f(view),  z = g(h),  loss = mean of NT-Xent(z1, z2) over all 2n views

``f`` is a ResNet, ``g`` a projector that is thrown away after pretraining; features are ``h``.

Deviations: none in the loss. BatchNorm sees both views of the batch jointly and over all devices,
as in the authors' code. On images with one channel the colour operations that have nothing to act
on drop out. Run by ``configs/simclr.py``.
"""

from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.images import reader, views_of
from ssl_jax.nn import from_module
from ssl_jax.nn.encoder import Encoder


def make(config: ConfigDict) -> Method:
    """SimCLR as the config has it.

    Args:
      config: ``method.temperature``, ``method.projector`` (widths of its layers),
        ``method.augment`` (arguments of ``augment.recipes.simclr``), ``train.microbatches``, what
        ``backbones.make`` reads, and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: Encoder(config, rngs), microbatches=config.train.microbatches
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
        z1, z2 = layers["z"]
        value = losses.nt_xent(z1, z2, temperature=config.method.temperature).mean()
        chance = vitals.of_choice(2 * len(z1) - 1)
        return value, (stats, chance | vitals.of_embeddings(z1))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers, _ = network.apply(params, stats, read(to_float(batch["image"])), train=False)
        return layers

    return Method(init, views, loss, no_update, embed)
