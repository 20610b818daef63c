"""Rotation: by which angle has this image been rotated?

Gidaris, Singh, Komodakis, Unsupervised Representation Learning by Predicting Image Rotations, 2018,
https://arxiv.org/abs/1803.07728, equations 2 and 3:

    loss = mean over the rotations y of -log softmax(F(rotate(image, y)))_y

``F`` is a backbone with a linear layer on its features. To tell which way up an object is, a
network has to recognize it. The rotations are the four quarter turns. They only move pixels, so no
traces of resampling give the rotation away. All rotations of every image are in the batch.

Table 2 compares these with ``method.ways`` 2, which is 0 and 180 degrees, and 8, the multiples of
45 degrees (and with 90 and 270 degrees, which is not offered here). The eight have a shortcut: all
show the same central region, enlarged, so that no border gives the angle away, but interpolation
leaves traces by which odd and even multiples can be told apart, even in noise
(``augment.turns.eighth_turn``).

Deviations: the backbone is a ResNet, as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005); the authors use an AlexNet or a network in network. BatchNorm
sees all rotations jointly. Features of layers before the last one classify best (the paper's table
1), so each layer has a probe of its own (``evaluation.probe_layers``). Run by
``configs/rotation.py``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.augment.turns import eighth_turn
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import batched, crop_area, normalizer
from ssl_jax.methods.common.networks import Classifier
from ssl_jax.nn import from_module

SETTINGS = {
    "ways": settings.choice(
        4,
        "number of rotations: 2 (by 0 and 180 degrees), 4 (by multiples of 90) or 8 (of 45)",
        (2, 4, 8),
    ),
    "area": crop_area((0.08, 1.0)),
    "color": settings.flag(False, "whether brightness and saturation change at random"),
}
# as the fast mode of tensorflow/models' inception_preprocessing.py, which adds brightness, in order
_jitter = augment.recipes.on_colors(
    partial(
        augment.color_jitter,
        brightness=32 / 255,
        contrast=0.0,
        saturation=0.5,
        hue=0.0,
        probability=1.0,
    )
)


def make(config: ConfigDict) -> Method:
    """Builds rotation prediction from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[ways, n, h, h, c]`` and ``turns`` ``[ways, n]``.
    """
    ways = config.method.ways
    network = from_module(
        lambda rngs: Classifier(config, ways, rngs), microbatches=config.train.microbatches
    )
    size = config.data.image_size
    view = augment.recipes.crop_and_flip(size=size, area=config.method.area)
    augmentation = batched(augment.compose(view, _jitter) if config.method.color else view)

    def rotated(images: Float[Array, "n h h c"]) -> Views:
        views = jnp.stack([_rotate(images, k, ways) for k in range(ways)])
        turns = jnp.broadcast_to(jnp.arange(ways)[:, None], views.shape[:2])
        return {"image": views, "turns": turns}

    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        return rotated(augmentation(jax.random.split(key, len(batch["image"])), batch))

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, stats = network.apply_views(params, stats, normalize(views["image"]), train=True)
        logits, turns = layers["logits"].astype(jnp.float32), views["turns"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, turns).mean()
        accuracy = (logits.argmax(-1) == turns).mean()
        return value, (stats, {"accuracy": accuracy} | vitals.of_choice(ways))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return layers

    def score(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """Returns the share of each image's rotations that are recognized."""
        del key
        views = rotated(to_float(batch["image"]))
        layers, _ = network.apply_views(params, stats, normalize(views["image"]), train=False)
        correct = layers["logits"].argmax(-1) == views["turns"]
        return {"rotation_accuracy": correct.mean(axis=0)}

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(
        init,
        views,
        loss,
        no_update,
        embed,
        score,
        backbone=backbone,
        with_backbone=with_backbone,
    )


def _rotate(images: Float[Array, "n h h c"], k: int, ways: int) -> Float[Array, "n h h c"]:
    """Rotates by ``k / ways`` of a turn."""
    if ways == 8:
        return jax.vmap(lambda image: eighth_turn(image, k))(images)
    return jnp.rot90(images, k * 4 // ways, axes=(1, 2))
