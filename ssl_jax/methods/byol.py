"""BYOL: a student predicts what its own slow copy says of another view; there are no negatives.

Grill et al., Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning, 2020,
https://arxiv.org/abs/2006.07733, equations 1 to 3:

    p = q(g(f(v))),  z' = g'(f'(v')),  loss = 2 - 2 cos(p, z') + the same with v and v' exchanged
    f', g' <- tau f', g' + (1 - tau) f, g,  tau from its start to 1 by half a cosine

``f`` is a ResNet, ``g`` a projector, ``q`` a predictor; features are the student's ``f(v)``.
Student and teacher must differ by the predictor, and no gradient may reach the teacher: else all
embeddings can become one point, which is the best loss there is.

Deviations: BatchNorm sees both views of the batch jointly and over all devices, the authors' each
view by itself; the teacher's running statistics are its own. On images with one channel the colour
operations that have nothing to act on drop out. Run by ``configs/byol.py``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.images import reader, views_of
from ssl_jax.methods.schedules import cosine
from ssl_jax.methods.teacher import follow, start
from ssl_jax.nn import from_module
from ssl_jax.nn.encoder import Encoder
from ssl_jax.nn.heads import MLP


def make(config: ConfigDict) -> Method:
    """BYOL as the config has it.

    Args:
      config: ``method.momentum`` (``tau`` at the start), ``method.projector`` and
        ``method.predictor`` (widths of their layers; of the predictor the hidden ones),
        ``method.augment`` (arguments of ``augment.recipes.byol``), ``train.steps``,
        ``train.microbatches``, what ``backbones.make`` reads, and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    slices, dtype = config.train.microbatches, jnp.dtype(config.network.dtype)
    z_size = config.method.projector[-1]
    predictor_widths = (*config.method.predictor, z_size)
    encoder = from_module(lambda rngs: Encoder(config, rngs), microbatches=slices)
    predictor = from_module(
        lambda rngs: MLP(z_size, predictor_widths, dtype=dtype, rngs=rngs), microbatches=slices
    )
    views = views_of(augment.recipes.byol(**config.method.augment))

    read = reader(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        encoder_key, predictor_key = jax.random.split(key)
        params, stats = encoder.init(encoder_key)
        predictor_params, predictor_stats = predictor.init(predictor_key)
        extra = {"encoder": stats, "predictor": predictor_stats, "teacher": start(params, stats)}
        return {"encoder": params, "predictor": predictor_params}, extra

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        images, teacher = read(views["image"]), extra["teacher"]
        student, stats = encoder.apply_views(
            params["encoder"], extra["encoder"], images, train=True
        )
        (p1, p2), predictor_stats = predictor.apply_views(
            params["predictor"], extra["predictor"], student["z"], train=True
        )
        targets, teacher_stats = encoder.apply_views(
            teacher["params"], teacher["stats"], images, train=True
        )
        z1, z2 = jax.lax.stop_gradient(targets["z"])
        value = (losses.cosine_regression(p1, z2) + losses.cosine_regression(p2, z1)).mean()
        extra = {
            "encoder": stats,
            "predictor": predictor_stats,
            "teacher": {"params": teacher["params"], "stats": teacher_stats},
        }
        return value, (extra, vitals.of_embeddings(z1))

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        momentum = cosine(config.method.momentum, 1.0, step, config.train.steps)
        teacher = extra["teacher"]
        followed = follow(teacher["params"], params["encoder"], momentum)
        return params, extra | {"teacher": teacher | {"params": followed}}

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        images = read(to_float(batch["image"]))
        layers, _ = encoder.apply(params["encoder"], extra["encoder"], images, train=False)
        return layers

    return Method(init, views, loss, update, embed)
