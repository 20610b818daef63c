"""Context encoder: paint the missing middle of an image.

Pathak et al., Context Encoders: Feature Learning by Inpainting, 2016,
https://arxiv.org/abs/1604.07379, equations 1 to 3, for an image ``x`` whose middle ``c`` is hidden
from the encoder ``F``, a decoder ``G`` and a discriminator ``D``:

    L = (1 - a) |c - G(F(x without c))|^2 + a softplus(-D(G(F(x without c)))),  a = .001
    L_D = softplus(-D(c)) + softplus(D(G(F(x without c))))

``L`` trains ``F`` and ``G`` (``nn.painter``). ``L_D`` trains ``D``, which has its own optimizer
(``optimizer.groups.discriminator``). One scalar holds both, and gradients stop between them. The
painting may overlap the visible part by a border, whose error counts 10 times. ``D`` sees only the
painting. Features are ``F(x)`` of the whole image.

Besides ``G``, a decoder ``H`` of the same shape learns from the same features, by the first term
only and without a gradient to ``F``: it shows what painting looks like without a discriminator.
``F`` itself is trained by both terms.

Deviations: ``F`` and ``D`` are updated simultaneously, not in turn (in the authors' code, too, the
generator's gradient uses ``D`` before its update). ``G`` minimizes ``-log D``, as in the authors'
code; equation 2 has ``log(1 - D)``. ``F`` is any backbone whose feature map is pooled to a grid of
4 x 4. The authors learn features with holes of random shape and without ``D``, and paint with holes
in the middle. This is the latter, and ``method.shift`` moves the image behind the hole, so that the
hole can lie anywhere on an object. The overlap is a setting: 7 of 227 pixels in the paper, 4 of 128
in its code; the default preset has none, as in the code for random holes. Run by
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
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import crop_area, normalizer
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
    "area": crop_area((0.8, 1.0)),
    "shift": settings.integer(0, "largest shift of an image, in pixels", at_least=0),
}


def make(config: ConfigDict) -> Method:
    """Builds the context encoder from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads, with
        ``network.pool`` set to ``grid``; ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``; the middle square, half as
        wide as the image, is painted.

    Raises:
      InputError: there is no feature map to decode, nothing is hidden, or the decoder has too few
        layers.
    """
    _check(config)
    data, share, slices = config.data, config.method.adversarial, config.train.microbatches
    size = data.image_size // 2
    size_unseen = size - 2 * config.method.overlap
    painted, hidden = _middle(data.image_size, size), _middle(data.image_size, size_unseen)
    weights = np.full((size, size, 1), _BORDER_WEIGHT, np.float32)
    weights[_middle(size, size_unseen)] = 1.0
    painter = from_module(lambda rngs: _painter(config, rngs), microbatches=slices)
    discriminator = from_module(lambda rngs: _discriminator(config, rngs), microbatches=slices)
    shift = partial(augment.random_crop, padding=config.method.shift)
    view = augment.recipes.crop_and_flip(area=config.method.area)
    augmentation = jax.vmap(augment.compose(view, shift))
    normalize = normalizer(config)

    def without_middle(images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return images.at[:, *hidden].set(jnp.asarray(data.mean, images.dtype))

    def unseen(painting: Float[Array, "n s s c"]) -> Float[Array, "n u u c"]:
        """Returns the hidden part of the painting, in [0, 1]."""
        return (painting[:, *_middle(size, size_unseen)] + 1) / 2

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        painter_key, discriminator_key = jax.random.split(key)
        params, stats = painter.init(painter_key)
        critic, critic_stats = discriminator.init(discriminator_key)
        extra = {"painter": stats, "discriminator": critic_stats}
        return {"painter": params, "discriminator": critic}, extra

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = augmentation(jax.random.split(key, len(batch["image"])), to_float(batch["image"]))
        return {"context": without_middle(images)[None], "middle": images[:, *painted][None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (context,), (middle,), critic = views["context"], views["middle"], params["discriminator"]
        real = 2 * middle - 1
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
        """Returns the mean squared error over the hidden pixels, whose values lie in [0, 1].

        ``hole_mse_context_mean`` fills the hole with the mean of the image's visible pixels.
        """
        del key
        images = to_float(batch["image"])
        paintings = run(params, extra, without_middle(images))
        visible = np.ones((data.image_size, data.image_size, 1), bool)
        visible[hidden] = False
        mean = images.mean(axis=(1, 2), where=visible, keepdims=True)
        fillings = {
            "hole_mse": unseen(paintings["joint"]),
            "hole_mse_l2_alone": unseen(paintings["l2"]),
            "hole_mse_context_mean": mean,
        }
        return {
            name: jnp.square(x - images[:, *hidden]).mean(axis=(1, 2, 3))
            for name, x in fillings.items()
        }

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del key
        images = to_float(batch["image"])
        context = without_middle(images)
        paintings = run(params, extra, context)
        l2, joint = (
            context.at[:, *hidden].set(unseen(paintings[name])) for name in ("l2", "joint")
        )
        return {"the hole": context, "L2": l2, "joint": joint, "the original": images}

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
    side = config.data.image_size // 2
    return Decoder(first, method.decoder, config.data.channels, side, dtype=dtype, rngs=rngs)


def _discriminator(config: ConfigDict, rngs: nnx.Rngs) -> Discriminator:
    return Discriminator(
        config.data.channels,
        config.method.discriminator,
        config.data.image_size // 2,
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )


def _middle(side: int, size: int) -> tuple[slice, slice]:
    """Returns the rows and columns of a central square: ``size`` pixels wide, of ``side``."""
    start = (side - size) // 2
    return (slice(start, start + size),) * 2


def _check(config: ConfigDict) -> None:
    method, size = config.method, config.data.image_size // 2
    if config.network.name in backbones.MLPS:
        raise InputError(
            f"network.name: {config.network.name!r} has no map to paint from; expected another one"
        )
    if config.network.pool != "grid":
        raise InputError(
            f"network.pool: {config.network.pool!r} leaves no map to paint from; expected grid"
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
