"""MoCo v2: a query finds its key among a queue of keys from earlier batches.

He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020,
https://arxiv.org/abs/1911.05722, Algorithm 1, with the projector, the blur and the temperature of
Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020,
https://arxiv.org/abs/2003.04297:

    q = g(f(v)),  k = g'(f'(v')),  loss = -log(e^(q.k / T) / (e^(q.k / T) + sum_i e^(q.k_i / T)))
    f', g' <- m f', g' + (1 - m) f, g;  k_i: the queue; k enters, the oldest leave

``f`` is a ResNet, ``g`` a projector that is discarded; features are the student's ``f(v)``.

Deviations: BatchNorm statistics cover the batch on all devices, so keys are not shuffled among
devices: no device's statistics reveal which query and key belong together. Run by
``configs/moco.py``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
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
    **simclr_augmentation(area=(0.2, 1.0), strength=0.5, blur=0.5),
}


def make(config: ConfigDict) -> Method:
    """Builds MoCo v2 from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: backbone_and_projector(config, rngs, norm=False),
        microbatches=config.train.microbatches,
    )
    views = views_of([augment.recipes.simclr(**config.method.augment)] * 2)
    queue_shape = (config.method.queue, config.method.projector[-1])
    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        network_key, queue_key = jax.random.split(key)
        params, stats = network.init(network_key)
        queue = jax.random.normal(queue_key, queue_shape)
        return params, {"stats": stats, "teacher": teacher.start(params, stats), "queue": queue}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        query_view, key_view = normalize(views["image"])
        student, stats = network.apply(params, extra["stats"], query_view, train=True)
        teacher_params, teacher_stats = extra["teacher"]["params"], extra["teacher"]["stats"]
        targets, teacher_stats = network.apply(teacher_params, teacher_stats, key_view, train=True)
        queries, keys = student["z"], jax.lax.stop_gradient(targets["z"])
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
