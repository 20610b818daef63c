"""Super-resolution: paint an image from a small version of it.

Dong et al., Image Super-Resolution Using Deep Convolutional Networks, 2015,
https://arxiv.org/abs/1501.00092, and Kim et al., Accurate Image Super-Resolution Using Very Deep
Convolutional Networks, 2016, https://arxiv.org/abs/1511.04587, for an image ``x`` in [0, 1]:

    small = means of x over squares of 2 x 2 or 4 x 4 pixels,  y = bicubic enlargement of small
    loss = mean over pixels of |x - (y + g(f(y)))|^2

``g`` paints only the difference, as in the second paper. What interpolation cannot know, the
network has to recall from other images. ``f`` reads the enlarged image, as in both papers, and not
the small one. So ``f`` is a backbone for images of the evaluation's size, and features are
``f(x)``: of the image at its full resolution, which is sharper than those that ``f`` was trained
on.

Deviations: the papers' networks keep the image's resolution throughout, and read patches, in most
experiments of the luminance alone; here ``f`` is any backbone, ``g`` decodes its features, and both
see whole images in all channels. Dong et al. shrink images by a Gaussian blur and subsampling
(their training code bicubically), not by means, and do not flip them. Run by
``configs/super_resolution.py``.
"""

from functools import partial

import jax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import decoders, quality
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, squares
from ssl_jax.nn import backbones, from_module

SETTINGS = {
    "factor": settings.choice(2, "how many times smaller the small image's sides are", (2, 4)),
    "shift": settings.integer(0, "largest shift of an image, in pixels", at_least=0),
    "decoder": decoders.SETTING,
}


class Enlarger(nnx.Module):
    """The encoder's layers, and ``details``, which are added to the enlarged image."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make(config, rngs)
        widths = config.network.widths[:-1][::-1]
        self.decoder = decoders.make(config, self.encoder.features, widths, rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images."""
        layers = self.encoder(images, train=train)
        return layers | {"details": self.decoder(layers["features"], train=train)}


def make(config: ConfigDict) -> Method:
    """Builds super-resolution from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``, enlarged,
      and ``target`` ``[1, n, h, h, c]``.

    Raises:
      InputError: the image does not split into squares, or the decoder has too few layers.
    """
    decoders.check(config)
    factor, side = config.method.factor, config.data.image_size
    if side % factor:
        raise InputError(
            f"method.factor: {factor} does not divide data.image_size {side}; expected a divisor"
        )
    network = from_module(
        lambda rngs: Enlarger(config, rngs), microbatches=config.train.microbatches
    )
    shift = partial(augment.random_crop, padding=config.method.shift)
    augmentation = jax.vmap(augment.compose(augment.horizontal_flip, shift))
    normalize, square = normalizer(config), squares(config)

    def shrunk(images: Float[Array, "n h h c"]) -> Float[Array, "n s s c"]:
        return nnx.avg_pool(images, (factor, factor), strides=(factor, factor))

    def enlarged(images: Float[Array, "n h h c"]) -> Float[Array, "n h h c"]:
        """Shrinks images and enlarges them again."""
        return jax.image.resize(shrunk(images), images.shape, "bicubic")

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = square(key, batch)
        images = augmentation(jax.random.split(key, len(images)), images)
        return {"image": enlarged(images)[None], "target": images[None]}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (images,), (targets,) = views["image"], views["target"]
        layers, stats = network.apply(params, stats, normalize(images), train=True)
        return quality.mse(images + layers["details"], targets).mean(), (stats, {})

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return {name: x for name, x in layers.items() if name != "details"}

    def painted(params: Params, stats: Extra, images: Array) -> tuple[Array, Array]:
        """Returns the bicubic enlargements of the small images, and the paintings."""
        bicubic = enlarged(images)
        layers, _ = network.apply(params, stats, normalize(bicubic), train=False)
        return bicubic, bicubic + layers["details"]

    def score(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns the quality of the paintings, and of the bicubic enlargement as a yardstick."""
        del key
        images = to_float(batch["image"])
        bicubic, painting = painted(params, stats, images)
        return quality.scores(painting, images) | quality.scores(bicubic, images, "bicubic")

    def show(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del key
        images = to_float(batch["image"])
        bicubic, painting = painted(params, stats, images)
        small = jax.image.resize(shrunk(images), images.shape, "nearest")
        return {
            "the small image": small,
            "bicubic": bicubic,
            "painted": painting,
            "the original": images,
        }

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)
