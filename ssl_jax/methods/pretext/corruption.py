"""Corruption: how has this image been corrupted, if at all?

    loss = -log softmax(F(corrupt(image, y)))_y,  y is drawn uniformly

``F`` is a backbone with a linear layer on its features. The classes are clean images and those of
``method.corruptions``: patches that are shuffled, noise, blur, a patch of another image, and
pixelation. To see that patches are in a wrong order, or that one does not belong, a network has to
know what the whole should look like. With ``method.binary`` it only tells corrupted images from
clean ones, and half of them are clean.

Introductions to the field list this task as "classify corrupted images". They refer to Jenni,
Favaro, Self-Supervised Feature Learning by Learning to Spot Artifacts, 2018,
https://arxiv.org/abs/1806.05024. Jenni, Jin, Favaro, Steering Self-Supervised Feature Learning
Beyond Local Pixel Statistics, 2020, https://arxiv.org/abs/2004.02331, classify transformations.

Deviations from both: in 2018 the code of a frozen autoencoder is damaged, and a repair network
learns to hide the damage from the network whose features are used; in 2020 one of the
transformations is an inpainter's, trained against a discriminator. So local cues vanish. Here
noise, blur, pixelation and the edges of patches are such cues, and a network can solve most of the
task without looking at objects. Noise, blur and pixelation are also what ``evaluate.py`` tests
robustness with: that test says nothing about a network that trained on them. Run by
``configs/corruption.py``.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment import corruptions
from ssl_jax.augment.patches import paste_patch, shuffle_patches
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import batched, crop_area, normalizer
from ssl_jax.methods.common.networks import Classifier
from ssl_jax.nn import from_module

Images = Float[Array, "n h h c"]

CORRUPTIONS = {
    "shuffle": "the patches shuffled",
    "noise": "noise",
    "blur": "blurred",
    "patch": "a patch of another image",
    "pixelation": "pixelated",
}
SETTINGS = {
    "corruptions": settings.several(tuple(CORRUPTIONS), "the corruptions", tuple(CORRUPTIONS)),
    "binary": settings.flag(False, "whether only to tell corrupted images from clean ones"),
    "strength": settings.integer(
        5, "strength of noise, blur and pixelation", at_least=1, at_most=5
    ),
    "grid": settings.integer(4, "patches per side that are shuffled", at_least=2),
    "patch": settings.real(
        0.5, "side of the patch of another image, as a share of the side", above=0, below=1
    ),
    "area": crop_area((0.08, 1.0)),
}


def make(config: ConfigDict) -> Method:
    """Builds the classification of corruptions from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.image_size``, ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[1, n, h, h, c]`` and ``corruption`` ``[1, n]``, 0 for clean images.

    Raises:
      InputError: the patches to shuffle do not divide the image.
    """
    method, side = config.method, config.data.image_size
    if "shuffle" in method.corruptions and side % method.grid:
        divisors = ", ".join(str(d) for d in range(2, side + 1) if side % d == 0)
        raise InputError(
            f"method.grid: {method.grid} does not divide data.image_size {side}; "
            f"expected one of {divisors}"
        )
    corrupt = [_corruption(name, config) for name in method.corruptions]
    classes = 2 if method.binary else 1 + len(corrupt)
    network = from_module(
        lambda rngs: Classifier(config, classes, rngs), microbatches=config.train.microbatches
    )
    augmentation = batched(augment.recipes.crop_and_flip(size=side, area=method.area))
    normalize = normalizer(config)

    def corrupted(key: PRNGKeyArray, images: Images) -> list[Images]:
        """Returns the images with each of the corruptions."""
        keys = jax.random.split(key, (len(corrupt), len(images)))
        others = jnp.roll(images, 1, axis=0)
        return [jax.vmap(f)(k, images, others) for f, k in zip(corrupt, keys, strict=True)]

    def label(kinds: Int[Array, "*n"]) -> Int[Array, "*n"]:
        return jnp.minimum(kinds, classes - 1)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        view_key, kind_key, clean_key, corrupt_key = jax.random.split(key, 4)
        n = len(batch["image"])
        images = augmentation(jax.random.split(view_key, n), batch)
        kinds = jax.random.randint(kind_key, (n,), 1, 1 + len(corrupt))
        kinds = jnp.where(jax.random.bernoulli(clean_key, 1 / classes, (n,)), 0, kinds)
        for kind, changed in enumerate(corrupted(corrupt_key, images), 1):
            images = jnp.where((kinds == kind)[:, None, None, None], changed, images)
        return {"image": images[None], "corruption": label(kinds)[None]}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, stats = network.apply_views(params, stats, normalize(views["image"]), train=True)
        logits, kinds = layers["logits"].astype(jnp.float32), views["corruption"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, kinds).mean()
        accuracy = (logits.argmax(-1) == kinds).mean()
        return value, (stats, {"accuracy": accuracy} | vitals.of_choice(classes))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return layers

    def score(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns the accuracy on each image clean and with every corruption, classes alike."""
        images = to_float(batch["image"])
        views = jnp.stack([images, *corrupted(key, images)])
        layers, _ = network.apply_views(params, stats, normalize(views), train=False)
        correct = layers["logits"].argmax(-1) == label(jnp.arange(len(views)))[:, None]
        of_corrupted = correct[1:].mean(axis=0)
        accuracy = correct[0] / classes + of_corrupted * (1 - 1 / classes)
        chance = jnp.full(len(images), 1 / classes)
        return {"corruption_accuracy": accuracy, "corruption_chance": chance}

    def show(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del params, stats
        images = to_float(batch["image"])
        titles = [CORRUPTIONS[name] for name in method.corruptions]
        return {"clean": images} | dict(zip(titles, corrupted(key, images), strict=True))

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def _corruption(name: str, config: ConfigDict) -> Callable[..., Array]:
    """Builds one of the corruptions: ``(key, image, other image) -> image``."""
    method = config.method
    if name == "patch":
        return partial(paste_patch, size=max(1, round(method.patch * config.data.image_size)))
    if name == "shuffle":
        return lambda key, image, _: shuffle_patches(key, image, grid=method.grid)
    corrupt = partial(corruptions.CORRUPTIONS[name], strength=method.strength)
    return lambda key, image, _: corrupt(key, image)
