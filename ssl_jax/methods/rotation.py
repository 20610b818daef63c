"""Rotation: by how many quarter turns was this picture turned?

Gidaris, Singh, Komodakis, Unsupervised Representation Learning by Predicting Image Rotations, 2018,
https://arxiv.org/abs/1803.07728, equations 2 and 3:

    loss = mean over the four turns y of -log softmax(F(turn(image, y)))_y

``F`` is a backbone with a linear layer on its features. To see how a thing is turned, a network has
to know what it is; what tells the turns apart beyond that (blur of resampling, say) is not there,
since quarter turns move pixels and compute none. The four turns of every image are in the batch.

Deviations: the backbone is a ResNet, as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005), the authors' an AlexNet or a network in network. BatchNorm sees
all turns jointly. Layers before the last serve classes best (the paper's tables 1 and 4), so each
has a probe of its own by ``evaluation.probe_layers``. Run by ``configs/rotation.py``.
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.images import reader
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.linear import Linear

TURNS = 4


class Classifier(nnx.Module):
    """A backbone's layers, and the ``logits`` of the four turns."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.backbone = backbones.make(config, rngs)
        self.head = Linear(self.backbone.features, TURNS, rngs=rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """Of normalised images."""
        layers = self.backbone(images, train=train)
        return layers | {"logits": self.head(layers["features"])}


def make(config: ConfigDict) -> Method:
    """Rotation as the config has it.

    Args:
      config: ``method.area`` (smallest and largest share of the image that a crop takes),
        ``train.microbatches``, what ``backbones.make`` reads, and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[4, n, h, h, c]`` and ``turns`` ``[4, n]``.
    """
    network = from_module(
        lambda rngs: Classifier(config, rngs), microbatches=config.train.microbatches
    )
    augmentation = jax.vmap(augment.recipes.crop_and_flip(area=config.method.area))

    def turned(images: Float[Array, "n h h c"]) -> Views:
        views = jnp.stack([jnp.rot90(images, k, axes=(1, 2)) for k in range(TURNS)])
        turns = jnp.broadcast_to(jnp.arange(TURNS)[:, None], views.shape[:2])
        return {"image": views, "turns": turns}

    read = reader(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = to_float(batch["image"])
        return turned(augmentation(jax.random.split(key, len(images)), images))

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, stats = network.apply_views(params, stats, read(views["image"]), train=True)
        logits, turns = layers["logits"].astype(jnp.float32), views["turns"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, turns).mean()
        accuracy = (logits.argmax(-1) == turns).mean()
        return value, (stats, {"accuracy": accuracy} | vitals.of_choice(TURNS))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers, _ = network.apply(params, stats, read(to_float(batch["image"])), train=False)
        return layers

    def score(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """Of each image the share of its four turns that are found."""
        del key
        views = turned(to_float(batch["image"]))
        layers, _ = network.apply_views(params, stats, read(views["image"]), train=False)
        right = layers["logits"].argmax(-1) == views["turns"]
        return {"rotation_accuracy": right.mean(axis=0)}

    return Method(init, views, loss, no_update, embed, score)
