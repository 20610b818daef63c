"""Context encoder: paint what is missing in the middle of a picture.

Pathak et al., Context Encoders: Feature Learning by Inpainting, 2016,
https://arxiv.org/abs/1604.07379, equations 1 to 3, of an image ``x`` whose middle ``c`` is hidden
from the encoder ``F``, with a decoder ``G`` and a discriminator ``D``:

    L = (1 - a) |c - G(F(x without c))|^2 + a softplus(-D(G(F(x without c)))),  a = .001
    L_D = softplus(-D(c)) + softplus(D(G(F(x without c))))

``L`` trains ``F`` and ``G`` (``nn.painter``), ``L_D`` trains ``D``, whose optimiser is its own
(``optimizer.groups.discriminator``); one scalar holds both, and gradients stop between them. What
is painted may overlap what is seen by a border, which weighs 10 times. ``D`` sees the painted part
alone. Features are ``F(x)`` of the whole image.

Beside ``G`` a decoder ``H`` of the same shape learns from the same features by the first term
alone, without a gradient to ``F``: what painting looks like without a discriminator. ``F`` itself
has seen both terms.

Deviations: ``F`` and ``D`` move at once, not in turn (the authors' generator, too, reads what ``D``
said before it moved). ``G`` minimises ``-log D``, as the authors' code, where equation 2 has
``log(1 - D)``. ``F`` is any backbone whose map is a grid of 4 x 4. The authors learn features on
holes of random shape, without ``D``, and paint with holes in the middle; this is the latter, and
``method.shift`` moves the image behind the hole, that it may be anywhere on an object. The overlap
is a setting: 7 of 227 pixels in the paper, 4 of 128 in its code, and by default none, as in the
code for random holes. Run by ``configs/context_encoder.py``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.images import reader
from ssl_jax.nn import from_module
from ssl_jax.nn.generative import GRID
from ssl_jax.nn.painter import Painter, make_discriminator

_BORDER_WEIGHT = 10.0


def make(config: ConfigDict) -> Method:
    """The context encoder as the config has it.

    Args:
      config: ``method.adversarial`` (``a``), ``method.overlap`` (the border's pixels),
        ``method.area`` (share of the image that a crop takes), ``method.shift`` (pixels, so that
        the hole is at all places of an object), ``train.microbatches``, what ``nn.painter`` reads,
        and of ``data`` the ``mean`` and ``std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``, of whose sides the half in the
      middle is painted.

    Raises:
      InputError: there is no map to decode, nothing is hidden, or the decoder is too short.
    """
    _check(config)
    data, share, slices = config.data, config.method.adversarial, config.train.microbatches
    size = data.image_size // 2
    size_unseen = size - 2 * config.method.overlap
    painted, hidden = _middle(data.image_size, size), _middle(data.image_size, size_unseen)
    weights = np.full((size, size, 1), _BORDER_WEIGHT, np.float32)
    weights[_middle(size, size_unseen)] = 1.0
    painter = from_module(lambda rngs: Painter(config, rngs), microbatches=slices)
    discriminator = from_module(lambda rngs: make_discriminator(config, rngs), microbatches=slices)
    shift = partial(augment.random_crop, padding=config.method.shift)
    view = augment.recipes.crop_and_flip(area=config.method.area)
    augmentation = jax.vmap(augment.compose(view, shift))

    read = reader(config)

    def without_middle(images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return images.at[:, *hidden].set(jnp.asarray(data.mean, images.dtype))

    def unseen(made: Float[Array, "n s s c"]) -> Float[Array, "n u u c"]:
        """What is painted where nothing was seen, in [0, 1]."""
        return (made[:, *_middle(size, size_unseen)] + 1) / 2

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        painter_key, discriminator_key = jax.random.split(key)
        params, stats = painter.init(painter_key)
        judge, judge_stats = discriminator.init(discriminator_key)
        extra = {"painter": stats, "discriminator": judge_stats}
        return {"painter": params, "discriminator": judge}, extra

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = augmentation(jax.random.split(key, len(batch["image"])), to_float(batch["image"]))
        return {"context": without_middle(images)[None], "middle": images[:, *painted][None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (context,), (middle,), judge = views["context"], views["middle"], params["discriminator"]
        real = 2 * middle - 1
        made, stats = painter.apply(params["painter"], extra["painter"], read(context), train=True)

        def l2(pictures: Float[Array, "n s s c"]) -> Float[Array, ""]:
            return (weights * jnp.square(pictures - real)).mean()

        frozen, fakes = jax.lax.stop_gradient((judge, made["joint"]))
        of_real, judged = discriminator.apply(judge, extra["discriminator"], real, train=True)
        of_fakes, judged = discriminator.apply(judge, judged, fakes, train=True)
        passing, _ = discriminator.apply(frozen, judged, made["joint"], train=True)
        metrics = {
            "l2": l2(made["joint"]),
            "l2_alone": l2(made["l2"]),
            "generator_loss": losses.generator(passing).mean(),
            "discriminator_loss": losses.discriminator(of_real, of_fakes).mean(),
        }
        generator = (1 - share) * metrics["l2"] + share * metrics["generator_loss"]
        value = generator + metrics["discriminator_loss"] + metrics["l2_alone"]
        return value, ({"painter": stats, "discriminator": judged}, metrics)

    def run(params: Params, extra: Extra, images: Float[Array, "n h w c"]) -> dict[str, Array]:
        return painter.apply(params["painter"], extra["painter"], read(images), train=False)[0]

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers = run(params, extra, to_float(batch["image"]))
        return {name: x for name, x in layers.items() if name not in ("joint", "l2")}

    def score(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Squared errors of pixels in [0, 1] where nothing was seen; also of the mean of the rest.

        The last is of each image's own pixels that were seen.
        """
        del key
        images = to_float(batch["image"])
        made = run(params, extra, without_middle(images))
        seen = np.ones((data.image_size, data.image_size, 1), bool)
        seen[hidden] = False
        mean = images.mean(axis=(1, 2), where=seen, keepdims=True)
        fillings = {
            "hole_mse": unseen(made["joint"]),
            "hole_mse_l2_alone": unseen(made["l2"]),
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
        made = run(params, extra, context)
        l2, joint = (context.at[:, *hidden].set(unseen(made[name])) for name in ("l2", "joint"))
        return {"the hole": context, "L2": l2, "joint": joint, "the truth": images}

    return Method(init, views, loss, no_update, embed, score, show)


def _middle(side: int, size: int) -> tuple[slice, slice]:
    """Rows and columns of the square of ``size`` in the middle of one of ``side``."""
    start = (side - size) // 2
    return (slice(start, start + size),) * 2


def _check(config: ConfigDict) -> None:
    settings, size = config.method, config.data.image_size // 2
    if config.network.pool != "grid":
        raise InputError(
            f"network.pool: {config.network.pool!r} leaves no map to paint from; expected grid"
        )
    if 2 * settings.overlap >= size:
        raise InputError(
            f"method.overlap: {settings.overlap} leaves nothing of {size} pixels to hide; "
            f"expected at most {(size - 1) // 2}"
        )
    if (made := GRID * 2 ** len(settings.decoder)) < size:
        raise InputError(
            f"method.decoder: {settings.decoder} makes {made} pixels; expected enough widths "
            f"to double {GRID} to {size}"
        )
