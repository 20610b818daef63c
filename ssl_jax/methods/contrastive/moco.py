"""MoCo v2: a query finds its key among a queue of keys from earlier batches.

He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020,
https://arxiv.org/abs/1911.05722, Algorithm 1, with the projector, the blur and the temperature of
Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020,
https://arxiv.org/abs/2003.04297:

    q = g(f(v)),  k = g'(f'(v')),  loss = -log(e^(q.k / T) / (e^(q.k / T) + sum_i e^(q.k_i / T)))
    f', g' <- m f', g' + (1 - m) f, g;  k_i: the queue; k enters, the oldest leave

``f`` is a ResNet, ``g`` a projector that is discarded; features are the student's ``f(v)``.

A query and its key are from one batch, the queue's keys are from others. If one BatchNorm sees the
whole batch, its statistics are a signature by which the key can be told from the queue's. So
BatchNorm sees the batch in ``method.groups`` parts, and keys are shuffled among the parts (He et
al., section 3.3): a query's statistics are then those of other examples than its key's.

Deviations: the parts do not depend on the number of devices; the authors' are those of 8 GPUs.
Running statistics are the mean over the parts, theirs are the first GPU's. Run by
``configs/moco.py``.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.common import teacher, vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, simclr_augmentation, views_of
from ssl_jax.methods.common.networks import backbone_and_projector
from ssl_jax.nn import from_module

SETTINGS = {
    "temperature": settings.real(0.2, "temperature of the softmax over similarities", above=0),
    "momentum": settings.share(0.999, "momentum of the teacher's moving average"),
    "queue": settings.integer(65_536, "number of keys in the queue", at_least=1),
    "projector": settings.widths((2048, 128), "widths of the projector's layers"),
    "groups": settings.integer(
        8,
        "parts of a batch that have BatchNorm statistics of their own",
        at_least=1,
        earlier=lambda _: 1,
    ),
    **simclr_augmentation(area=(0.2, 1.0), strength=0.5, blur=0.5),
}


def make(config: ConfigDict) -> Method:
    """Builds MoCo v2 from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.

    Raises:
      InputError: the groups do not divide the batch, or a slice of it (``train.microbatches``).
    """
    _check(config)
    network = from_module(
        lambda rngs: backbone_and_projector(config, rngs, norm=False),
        microbatches=config.train.microbatches,
    )
    view = augment.recipes.simclr(size=config.data.image_size, **config.method.augment)
    views = views_of([view] * 2)
    queue_shape = (config.method.queue, config.method.projector[-1])
    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        network_key, queue_key = jax.random.split(key)
        params, stats = network.init(network_key)
        queue = jax.random.normal(queue_key, queue_shape)
        return params, {"stats": stats, "teacher": teacher.start(params, stats), "queue": queue}

    def encoded(
        params: Params, stats: Any, images: Float[Array, "n h w c"]
    ) -> tuple[Float[Array, "n d"], Any]:
        """Returns the projections, and the statistics; each group is normalized by its own."""
        parts = images.reshape(config.method.groups, -1, *images.shape[1:])
        layers, stats = jax.vmap(lambda part: network.apply(params, stats, part, train=True))(parts)
        z = layers["z"].reshape(len(images), -1)
        return z, jax.tree.map(lambda x: x.mean(axis=0), stats)

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del step
        query_view, key_view = normalize(views["image"])
        queries, stats = encoded(params, extra["stats"], query_view)
        teacher_params, teacher_stats = extra["teacher"]["params"], extra["teacher"]["stats"]
        if config.method.groups == 1:  # nothing to shuffle, and nothing moves between devices
            keys, teacher_stats = encoded(teacher_params, teacher_stats, key_view)
        else:
            order = jax.random.permutation(key, len(key_view))
            keys, teacher_stats = encoded(teacher_params, teacher_stats, key_view[order])
            keys = keys[jnp.argsort(order)]
        keys = jax.lax.stop_gradient(keys)
        temperature, queue = config.method.temperature, extra["queue"]
        value = losses.queue_info_nce(queries, keys, queue, temperature=temperature).mean()
        extra = {
            "stats": stats,
            "teacher": {"params": teacher_params, "stats": teacher_stats},
            "queue": jnp.concatenate([keys, queue])[: len(queue)],
        }
        return value, (extra, vitals.of_choice(len(queue) + 1) | vitals.of_embeddings(queries))

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, extra["stats"], images, train=False)
        return layers

    update = teacher.following(lambda _: config.method.momentum)
    backbone, with_backbone = backbone_at(
        "params/backbone",
        "extra/stats/backbone",
        copies=[("extra/teacher/params/backbone", "extra/teacher/stats/backbone")],
    )
    return Method(init, views, loss, update, embed, backbone=backbone, with_backbone=with_backbone)


def _check(config: ConfigDict) -> None:
    groups, slices, size = config.method.groups, config.train.microbatches, config.data.batch_size
    if size % (groups * slices):
        of = f"data.batch_size {size}" if slices == 1 else f"slices of {size // slices} examples"
        raise InputError(f"method.groups: {groups} does not divide {of}; expected a divisor")
