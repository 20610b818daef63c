"""Context encoder: paint the missing part of an image.

Pathak et al., Context Encoders: Feature Learning by Inpainting, 2016,
https://arxiv.org/abs/1604.07379, equations 1 to 3, for an image ``x`` whose part ``c`` is hidden
from the encoder ``F``, a decoder ``G`` and a discriminator ``D``:

    L = (1 - a) |c - G(F(x without c))|^2 + a softplus(-D(G(F(x without c)))),  a = .001
    L_D = softplus(-D(c)) + softplus(D(G(F(x without c))))

``L`` trains ``F`` and ``G`` (``nn.painter``). ``L_D`` trains ``D``, which has its own optimizer
(``optimizer.groups.discriminator``). One scalar holds both, and gradients stop between them. The
painting may overlap the visible part by a border, whose error counts 10 times. ``D`` sees only the
painting. Features are ``F(x)`` of the whole image.

Besides ``G``, a decoder ``H`` of the same shape learns from the same features, by the first term
only and without a gradient to ``F``: it shows what painting looks like without a discriminator.
``F`` itself is trained by both terms. With ``a = 1`` they are trained by the discriminator alone.

``c`` is the middle of the image or, with ``method.region`` ``random``, holes of random shape that
hide a quarter of it (``pretext.holes``). As in the authors' code for those (``train_random.lua``),
the whole image is then painted, with the same weight everywhere, and ``D`` sees all of it.

Deviations: ``F`` and ``D`` are updated simultaneously, not in turn. ``G`` minimizes ``-log D``, as
in the authors' code; equation 2 has ``log(1 - D)``. ``F`` is any backbone whose feature map is
pooled to a grid of 4 x 4. The authors learn features with holes of random shape and without ``D``,
and paint with holes in the middle. The default is the latter, and ``method.shift`` moves the image
behind the hole, so that the hole can lie anywhere on an object. The overlap is a setting: 7 pixels
in the paper, 4 of 128 in its code; the default preset has none, as in the code for random holes.
Random holes are smooth noise below a threshold, as in that code; there one mask serves a whole
batch and hides 20 to 30 % of it. The paper's own have the shapes of other objects. Run by
``configs/context_encoder.py``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import quality
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import batched, crop_area, normalizer
from ssl_jax.methods.common.sharpness import sharpness
from ssl_jax.methods.pretext import holes
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.generative import GRID, Bottleneck, ChannelWise, Decoder, Discriminator
from ssl_jax.nn.painter import Painter

_BORDER_WEIGHT = 10.0

SETTINGS = {
    "adversarial": settings.share(
        0.001, "weight a of the adversarial term; the L2 term has weight 1 - a"
    ),
    "overlap": settings.integer(
        4, "width of the border that is visible and painted, in pixels", at_least=0
    ),
    "bottleneck": settings.integer(
        4000,
        "width of the fully connected bottleneck; None makes it channel-wise",
        at_least=1,
        optional=True,
    ),
    "decoder": settings.widths((512, 256, 128, 64), "channels of the decoder's layers"),
    "discriminator": settings.widths((64, 128, 256, 512), "channels of the discriminator's layers"),
    "region": settings.choice(
        "middle", "what is hidden: the middle, or holes of random shape", ("middle", "random")
    ),
    "area": crop_area((0.8, 1.0)),
    "shift": settings.integer(0, "largest shift of an image, in pixels", at_least=0),
}


def make(config: ConfigDict) -> Method:
    """Builds the context encoder from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads, with
        ``network.pool`` set to ``grid``; ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``. Its views are ``context`` and
      ``target``, what is to be painted: the middle square, half as wide as the image, or all of it.

    Raises:
      InputError: there is no feature map to decode, nothing is hidden, or the decoder has too few
        layers.
    """
    _check(config)
    data, share, slices = config.data, config.method.adversarial, config.train.microbatches
    size, overlap, is_random = _size(config), config.method.overlap, _is_random(config)
    kind = holes.random(size) if is_random else holes.middle(data.image_size, overlap)
    weights = np.full((size, size, 1), _BORDER_WEIGHT, np.float32)
    weights[holes.square(size, size - 2 * overlap)] = 1.0
    painter = from_module(lambda rngs: _painter(config, rngs), microbatches=slices)
    discriminator = from_module(lambda rngs: _discriminator(config, rngs), microbatches=slices)
    shift = partial(augment.random_crop, padding=config.method.shift)
    view = augment.recipes.crop_and_flip(size=data.image_size, area=config.method.area)
    augmentation = batched(augment.compose(view, shift))
    normalize = normalizer(config)

    def filled(
        images: Float[Array, "n h w c"], mask: holes.Masks, painting: Float[Array, "n s s c"]
    ) -> Float[Array, "n h w c"]:
        """Returns the images with their hidden pixels painted, in [0, 1]."""
        canvas = jnp.zeros_like(images).at[:, *kind.painted].set((painting + 1) / 2)
        return jnp.where(mask, canvas, images)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        painter_key, discriminator_key = jax.random.split(key)
        params, stats = painter.init(painter_key)
        critic, critic_stats = discriminator.init(discriminator_key)
        extra = {"painter": stats, "discriminator": critic_stats}
        return {"painter": params, "discriminator": critic}, extra

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        n = len(batch["image"])
        view_key, hole_key = jax.random.split(key) if is_random else (key, key)
        images = augmentation(jax.random.split(view_key, n), batch)
        context = kind.fill(images, kind.draw(hole_key, n), data.mean)
        return {"context": context[None], "target": images[:, *kind.painted][None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (context,), (target,), critic = views["context"], views["target"], params["discriminator"]
        real = 2 * target - 1
        paintings, stats = painter.apply(
            params["painter"], extra["painter"], normalize(context), train=True
        )

        def l2(pictures: Float[Array, "n s s c"]) -> Float[Array, ""]:
            return (weights * jnp.square(pictures - real)).mean()

        fixed_critic, fakes = jax.lax.stop_gradient((critic, paintings["joint"]))
        real_logits, critic_stats = discriminator.apply(
            critic, extra["discriminator"], real, train=True
        )
        fake_logits, critic_stats = discriminator.apply(critic, critic_stats, fakes, train=True)
        generator_logits, _ = discriminator.apply(
            fixed_critic, critic_stats, paintings["joint"], train=True
        )
        metrics = {
            "l2": l2(paintings["joint"]),
            "l2_alone": l2(paintings["l2"]),
            "generator_loss": losses.generator(generator_logits).mean(),
            "discriminator_loss": losses.discriminator(real_logits, fake_logits).mean(),
        }
        generator = (1 - share) * metrics["l2"] + share * metrics["generator_loss"]
        value = generator + metrics["discriminator_loss"] + metrics["l2_alone"]
        return value, ({"painter": stats, "discriminator": critic_stats}, metrics)

    def run(params: Params, extra: Extra, images: Float[Array, "n h w c"]) -> dict[str, Array]:
        return painter.apply(params["painter"], extra["painter"], normalize(images), train=False)[0]

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        layers = run(params, extra, to_float(batch["image"]))
        return {name: x for name, x in layers.items() if name not in ("joint", "l2")}

    def score(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns how good and how sharp the hidden pixels are, whose values lie in [0, 1].

        These are the mean squared error, PSNR, SSIM (of square holes) and the mean length of the
        gradient. ``context_mean`` fills the hole with the mean of the image's visible pixels.
        """
        images = to_float(batch["image"])
        mask = kind.draw(key, len(images))
        paintings = run(params, extra, kind.fill(images, mask, data.mean))
        truth = kind.hidden(images, mask)
        mean = images.mean(axis=(1, 2), where=~mask, keepdims=True)
        joint, l2 = ((kind.hidden(paintings[name], mask) + 1) / 2 for name in ("joint", "l2"))
        found = (
            quality.scores(joint, truth)
            | quality.scores(l2, truth, "l2_alone")
            | quality.scores(jnp.broadcast_to(mean, truth.shape), truth, "context_mean")
        )
        pictures = {
            "sharpness": filled(images, mask, paintings["joint"]),
            "sharpness_l2_alone": filled(images, mask, paintings["l2"]),
            "sharpness_truth": images,
        }
        found |= {name: sharpness(x, mask) for name, x in pictures.items()}
        return {f"hole_{name}": value for name, value in found.items()}

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        images = to_float(batch["image"])
        mask = kind.draw(key, len(images))
        context = kind.fill(images, mask, data.mean)
        paintings = run(params, extra, context)
        l2, joint = (filled(images, mask, paintings[name]) for name in ("l2", "joint"))
        title = "adversarial" if share == 1 else "joint"
        return {"the hole": context, "L2": l2, title: joint, "the original": images}

    backbone, with_backbone = backbone_at("params/painter/encoder", "extra/painter/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def _painter(config: ConfigDict, rngs: nnx.Rngs) -> Painter:
    encoder = backbones.make(config, rngs)
    return Painter(encoder, *(_decoder(config, encoder.features, rngs) for _ in range(2)))


def _decoder(config: ConfigDict, features: int, rngs: nnx.Rngs) -> Decoder:
    method, dtype = config.method, jnp.dtype(config.network.dtype)
    width, size = method.decoder[0], method.bottleneck
    first = (
        ChannelWise(features, width, dtype=dtype, rngs=rngs)
        if size is None
        else Bottleneck(features, size, width, dtype=dtype, rngs=rngs)
    )
    channels = config.data.channels
    return Decoder(first, method.decoder, channels, _size(config), dtype=dtype, rngs=rngs)


def _discriminator(config: ConfigDict, rngs: nnx.Rngs) -> Discriminator:
    return Discriminator(
        config.data.channels,
        config.method.discriminator,
        _size(config),
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )


def _is_random(config: ConfigDict) -> bool:
    return config.method.region == "random"


def _size(config: ConfigDict) -> int:
    """Returns the side of the square that is painted, in pixels."""
    return config.data.image_size if _is_random(config) else config.data.image_size // 2


def _check(config: ConfigDict) -> None:
    method, size = config.method, _size(config)
    if config.network.name in backbones.MLPS:
        raise InputError(
            f"network.name: {config.network.name!r} has no map to paint from; expected another one"
        )
    if config.network.pool != "grid":
        raise InputError(
            f"network.pool: {config.network.pool!r} leaves no map to paint from; expected grid"
        )
    if _is_random(config) and method.overlap:
        raise InputError(
            f"method.overlap: {method.overlap}; expected 0 with method.region random, for which "
            "the whole image is painted"
        )
    if 2 * method.overlap >= size:
        raise InputError(
            f"method.overlap: {method.overlap} leaves nothing of {size} pixels to hide; "
            f"expected at most {(size - 1) // 2}"
        )
    if (decoded := GRID * 2 ** len(method.decoder)) < size:
        raise InputError(
            f"method.decoder: {method.decoder} makes {decoded} pixels; expected enough widths "
            f"to double {GRID} to {size}"
        )
