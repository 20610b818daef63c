"""MoCo v2: a query finds its key among a queue of keys from earlier batches.

He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020,
https://arxiv.org/abs/1911.05722, Algorithm 1, with the projector, the blur and the temperature of
Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020,
https://arxiv.org/abs/2003.04297:

    q = g(f(v)),  k = g'(f'(v')),  loss = -log(e^(q.k / T) / (e^(q.k / T) + sum_i e^(q.k_i / T)))
    f', g' <- m f', g' + (1 - m) f, g;  k_i: the queue; k enters, the oldest leave

``f`` is a ResNet, ``g`` a projector that is thrown away; features are the student's ``f(v)``.

Deviations: BatchNorm sees the batch over all devices, so keys are not shuffled between them: no
device's statistics tell which queries and keys belong together. Run by ``configs/moco.py``.
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
from ssl_jax.methods.teacher import follow, start
from ssl_jax.nn import from_module
from ssl_jax.nn.encoder import Encoder


def make(config: ConfigDict) -> Method:
    """MoCo v2 as the config has it.

    Args:
      config: ``method.temperature``, ``method.momentum``, ``method.queue`` (how many keys),
        ``method.projector`` (widths of its layers), ``method.augment`` (arguments of
        ``augment.recipes.simclr``, of which MoCo v2's is one: area from .2, strength .5),
        ``train.microbatches``, what ``backbones.make`` reads, and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``.
    """
    network = from_module(
        lambda rngs: Encoder(config, rngs, norm=False), microbatches=config.train.microbatches
    )
    views = views_of([augment.recipes.simclr(**config.method.augment)] * 2)
    queue_shape = (config.method.queue, config.method.projector[-1])

    read = reader(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        network_key, queue_key = jax.random.split(key)
        params, stats = network.init(network_key)
        queue = jax.random.normal(queue_key, queue_shape)
        return params, {"stats": stats, "teacher": start(params, stats), "queue": queue}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (query_view, key_view), teacher = read(views["image"]), extra["teacher"]
        student, stats = network.apply(params, extra["stats"], query_view, train=True)
        targets, teacher_stats = network.apply(
            teacher["params"], teacher["stats"], key_view, train=True
        )
        queries, keys = student["z"], jax.lax.stop_gradient(targets["z"])
        temperature, queue = config.method.temperature, extra["queue"]
        value = losses.queue_info_nce(queries, keys, queue, temperature=temperature).mean()
        extra = {
            "stats": stats,
            "teacher": {"params": teacher["params"], "stats": teacher_stats},
            "queue": jnp.concatenate([keys, queue])[: len(queue)],
        }
        return value, (extra, vitals.of_choice(len(queue) + 1) | vitals.of_embeddings(queries))

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        del step
        teacher = extra["teacher"]
        followed = follow(teacher["params"], params, config.method.momentum)
        return params, extra | {"teacher": teacher | {"params": followed}}

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        images = read(to_float(batch["image"]))
        layers, _ = network.apply(params, extra["stats"], images, train=False)
        return layers

    return Method(init, views, loss, update, embed)
