"""BYOL: a student predicts the output of its slow copy on another view, without negatives.

Grill et al., Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning, 2020,
https://arxiv.org/abs/2006.07733, equations 1 to 3:

    p = q(g(f(v))),  z' = g'(f'(v')),  loss = 2 - 2 cos(p, z') + the same with v and v' exchanged
    f', g' <- tau f', g' + (1 - tau) f, g,  tau from its start to 1 along half a cosine

``f`` is a ResNet, ``g`` a projector, ``q`` a predictor; features are the student's ``f(v)``.
Only the student has a predictor, and no gradient reaches the teacher. Without either of the two,
all embeddings can become one point, which minimizes the loss.

Deviations: BatchNorm sees both views of the batch jointly and over all devices; in the authors'
code it sees each view alone. The teacher has its own running statistics. On images with one
channel, color operations that would change nothing are skipped. Run by ``configs/byol.py``.
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
from ssl_jax.methods.common.images import crop_area, interpolation, normalizer, views_of
from ssl_jax.methods.common.networks import backbone_and_projector
from ssl_jax.methods.common.schedules import cosine
from ssl_jax.nn import from_module
from ssl_jax.nn.heads import MLP

SETTINGS = {
    "momentum": settings.share(
        0.996, "momentum of the teacher's moving average at the start; it rises to 1"
    ),
    "projector": settings.widths((4096, 256), "widths of the projector's layers"),
    "predictor": settings.widths((4096,), "widths of the predictor's hidden layers"),
    "augment.area": crop_area((0.08, 1.0)),
    "augment.interpolation": interpolation(),
}


def make(config: ConfigDict) -> Method:
    """Builds BYOL from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.steps`` and ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    slices, dtype = config.train.microbatches, jnp.dtype(config.network.dtype)
    z_size = config.method.projector[-1]
    predictor_widths = (*config.method.predictor, z_size)
    encoder = from_module(lambda rngs: backbone_and_projector(config, rngs), microbatches=slices)
    predictor = from_module(
        lambda rngs: MLP(z_size, predictor_widths, dtype=dtype, rngs=rngs), microbatches=slices
    )
    size = config.data.image_size
    views = views_of(augment.recipes.byol(size=size, **config.method.augment))
    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        encoder_key, predictor_key = jax.random.split(key)
        params, stats = encoder.init(encoder_key)
        predictor_params, predictor_stats = predictor.init(predictor_key)
        extra = {
            "encoder": stats,
            "predictor": predictor_stats,
            "teacher": teacher.start(params, stats),
        }
        return {"encoder": params, "predictor": predictor_params}, extra

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        images, old = normalize(views["image"]), extra["teacher"]
        student, stats = encoder.apply_views(
            params["encoder"], extra["encoder"], images, train=True
        )
        (p1, p2), predictor_stats = predictor.apply_views(
            params["predictor"], extra["predictor"], student["z"], train=True
        )
        targets, teacher_stats = encoder.apply_views(
            old["params"], old["stats"], images, train=True
        )
        z1, z2 = jax.lax.stop_gradient(targets["z"])
        value = (losses.cosine_regression(p1, z2) + losses.cosine_regression(p2, z1)).mean()
        extra = {
            "encoder": stats,
            "predictor": predictor_stats,
            "teacher": {"params": old["params"], "stats": teacher_stats},
        }
        return value, (extra, vitals.of_embeddings(z1))

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = encoder.apply(params["encoder"], extra["encoder"], images, train=False)
        return layers

    update = teacher.following(
        lambda step: cosine(config.method.momentum, 1.0, step, config.train.steps),
        student=lambda params: params["encoder"],
    )
    backbone, with_backbone = backbone_at(
        "params/encoder/backbone",
        "extra/encoder/backbone",
        copies=[("extra/teacher/params/backbone", "extra/teacher/stats/backbone")],
    )
    return Method(init, views, loss, update, embed, backbone=backbone, with_backbone=with_backbone)
