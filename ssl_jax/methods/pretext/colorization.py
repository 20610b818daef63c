"""Colorization: which colors does this gray picture have?

Zhang, Isola, Efros, Colorful Image Colorization, 2016, https://arxiv.org/abs/1603.08511, equations
2 to 5, for the lightness ``X`` of an image and its colors ``Y``, ``a`` and ``b`` of CIELAB:

    loss = -mean over pixels of w_q* sum_q Z_q log softmax(G(F(X)))_q,  Z = encode(Y), q* = argmax Z
    w = 1 / ((1 - u) p + u / Q),  scaled so that sum_q p_q w_q = 1,  u = .5
    color = mean over the bins under softmax(G(F(X)) / T),  T = .38

Many colors may suit the same gray, and their mean is dull. So ``G`` chooses among ``Q`` = 313 bins
(``color_bins``), colors that are rare in the distribution ``p`` weigh more, and the annealed mean
lies between the mean and the mode. To color an object, a network has to recognize it. Features are
``F(X)``: any image is reduced to its lightness first.

Besides ``G``, a decoder ``H`` of the same shape learns ``Y`` itself from the same features, by the
squared error of equation 1 and without a gradient to ``F``: it shows what colors look like without
bins and weights.

Deviations: ``p`` is the mean of ``Z`` over all batches so far; the authors count the colors of
ImageNet beforehand and smooth the counts by the Gaussian that ``Z`` has, too. ``Z`` has 5 neighbors
as in the paper; the authors' code has 10, and leaves out images without color. ``F`` is any
backbone whose map is pooled to 4 x 4, and ``G`` doubles that map until it has about a quarter of
the image's side; theirs is a VGG with dilated convolutions on maps of an eighth, which are doubled
once. ``F`` reads lightness as three equal channels, so that it also fits color images
(``init_from``, export). ``Y`` is the color of one pixel per cell of the map, as in their code. They
train another network for the squared error. Run by ``configs/colorization.py``.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.lab import lab_to_rgb, rgb_to_lab
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.colorfulness import colorfulness
from ssl_jax.methods.common.images import batched, crop_area, normalizer
from ssl_jax.methods.pretext import color_bins
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.colorizer import ColorDecoder, Colorizer
from ssl_jax.nn.generative import GRID

_SCALE = 110.0  # brings ``a`` and ``b`` to about -1 to 1

SETTINGS = {
    "uniform": settings.share(
        0.5, "share u of the uniform distribution in the weights; 1 weights all colors alike"
    ),
    "temperature": settings.real(0.38, "temperature T of the annealed mean", above=0),
    "decoder": settings.widths(
        (512, 512, 512, 512, 256),
        "channels of the decoders' maps, from 4 x 4 pixels on; each further one doubles the side",
    ),
    "area": crop_area((0.5, 1.0)),
}


def make(config: ConfigDict) -> Method:
    """Builds colorization from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads, with
        ``network.pool`` set to ``grid``; ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, 3]}``; its views are ``lightness``
      ``[1, n, h, h, 1]`` in [0, 1] and ``ab`` ``[1, n, s, s, 2]``.

    Raises:
      InputError: the data has no colors, there is no map to decode, or it is decoded to more pixels
        than the image has.
    """
    _check(config)
    side, method = _side(config), config.method
    network = from_module(
        lambda rngs: _colorizer(config, rngs), microbatches=config.train.microbatches
    )
    view = augment.recipes.crop_and_flip(size=config.data.image_size, area=method.area)
    augmentation = batched(view)
    normalize = normalizer(config)

    def run(
        params: Params, extra: Extra, lightness: Float[Array, "n h w 1"], *, train: bool
    ) -> tuple[dict[str, Array], Extra]:
        images = normalize(jnp.repeat(lightness, 3, axis=-1))
        return network.apply(params, extra["network"], images, train=train)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        params, stats = network.init(key)
        bins = len(color_bins.centers())
        return params, {"network": stats, "prior": jnp.full(bins, 1 / bins)}

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        keys = jax.random.split(key, len(batch["image"]))
        lightness, ab = _split(augmentation(keys, batch))
        coarse = jax.image.resize(ab, (len(ab), side, side, 2), "nearest")
        return {"lightness": lightness[None], "ab": coarse[None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key
        (lightness,), (ab,) = views["lightness"], views["ab"]
        layers, stats = run(params, extra, lightness, train=True)
        targets, before = color_bins.encode(ab), jax.lax.stop_gradient(extra["prior"])
        prior = before + (targets.mean(axis=(0, 1, 2)) - before) / (step + 1)
        weights = color_bins.weights(prior, method.uniform)
        logits = layers["logits"]
        classification = losses.colorization(logits, targets, bin_weights=weights).mean()
        l2 = jnp.square(layers["ab"] - ab / _SCALE).mean()
        metrics = {
            "classification": classification,
            "l2": l2,
            "chance_loss": color_bins.loss_by_chance(targets, weights),
        }
        return classification + l2, ({"network": stats, "prior": prior}, metrics)

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        lightness, _ = _split(to_float(batch["image"]))
        layers, _ = run(params, extra, lightness, train=False)
        return {name: x for name, x in layers.items() if name not in ("logits", "ab")}

    def colors(
        params: Params, extra: Extra, lightness: Float[Array, "n h w 1"]
    ) -> tuple[Float[Array, "n h w 2"], Float[Array, "n h w 2"]]:
        """Returns the colors that ``G`` and ``H`` predict."""
        layers, _ = run(params, extra, lightness, train=False)
        classified = color_bins.annealed_mean(layers["logits"], method.temperature)
        shape = (*lightness.shape[:3], 2)
        maps = classified, _SCALE * layers["ab"]
        return tuple(jax.image.resize(x, shape, "bilinear") for x in maps)

    def score(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns how far predicted colors are from the true ones, and how colorful they are.

        ``ab_error`` is the mean distance in the plane of ``a`` and ``b``, for which ``H`` is
        trained: the paper's AuC is 1 - ab_error / 150 if no distance is above 150.
        ``rebalanced_error`` has the weights of the loss of ``G``. ``gray`` predicts no color.
        """
        del key
        images = to_float(batch["image"])
        lightness, true = _split(images)
        classified, l2 = colors(params, extra, lightness)
        weights = color_bins.weights(extra["prior"], method.uniform)[color_bins.nearest(true)]
        found = {}
        for name, ab in (("", classified), ("_l2", l2), ("_gray", jnp.zeros_like(true))):
            distance = jnp.linalg.norm(ab - true, axis=-1)
            found[f"ab_error{name}"] = distance.mean(axis=(1, 2))
            found[f"rebalanced_error{name}"] = (weights * distance).mean(axis=(1, 2))
        for name, ab in (("", classified), ("_l2", l2)):
            found[f"colorfulness{name}"] = colorfulness(_picture(lightness, ab))
        return found | {"colorfulness_true": colorfulness(images)}

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del key
        images = to_float(batch["image"])
        lightness, _ = _split(images)
        classified, l2 = (_picture(lightness, ab) for ab in colors(params, extra, lightness))
        return {"lightness": lightness, "classified": classified, "L2": l2, "the original": images}

    backbone, with_backbone = backbone_at("params/encoder", "extra/network/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def _colorizer(config: ConfigDict, rngs: nnx.Rngs) -> Colorizer:
    encoder, dtype = backbones.make(config, rngs), jnp.dtype(config.network.dtype)
    decoders = [
        ColorDecoder(encoder.features, config.method.decoder, channels, dtype=dtype, rngs=rngs)
        for channels in (len(color_bins.centers()), 2)
    ]
    return Colorizer(encoder, *decoders)


def _split(
    images: Float[Array, "n h w 3"],
) -> tuple[Float[Array, "n h w 1"], Float[Array, "n h w 2"]]:
    """Returns the lightness of images, in [0, 1], and their colors, ``a`` and ``b``."""
    lab = rgb_to_lab(images)
    return lab[..., :1] / 100, lab[..., 1:]


def _picture(
    lightness: Float[Array, "n h w 1"], ab: Float[Array, "n h w 2"]
) -> Float[Array, "n h w 3"]:
    return lab_to_rgb(jnp.concatenate([100 * lightness, ab], axis=-1))


def _side(config: ConfigDict) -> int:
    """Returns the side of the map on which colors are predicted."""
    return GRID * 2 ** (len(config.method.decoder) - 1)


def _check(config: ConfigDict) -> None:
    data, side = config.data, _side(config)
    if data.channels != 3:
        raise InputError(f"data.channels: {data.channels} leaves no colors to predict; expected 3")
    if config.network.name in backbones.MLPS:
        raise InputError(
            f"network.name: {config.network.name!r} has no map to color from; expected another one"
        )
    if config.network.pool != "grid":
        raise InputError(
            f"network.pool: {config.network.pool!r} leaves no map to color from; expected grid"
        )
    if side > data.image_size:
        raise InputError(
            f"method.decoder: {config.method.decoder} makes {side} pixels of an image of "
            f"{data.image_size}; expected fewer widths"
        )
