"""Fine-tuning: trains a classifier whose backbone was pretrained, or from scratch.

    loss = mean_i sum_k -t_ik log softmax(W f(x_i) + b)_k

``f`` is the backbone, ``W`` and ``b`` a new linear layer, and ``t`` the labels: one-hot, smoothed
(Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7), and mixed where images are mixed
(``augment.mixup``, ``augment.cutmix``). With ``init_from`` the backbone starts from an earlier run;
without it this is supervised training from scratch. ``optimizer.layer_decay`` gives lower blocks a
lower learning rate.

Frozen blocks are not among the parameters: they are kept in ``extra``, have no optimizer state, and
their BatchNorm uses its running statistics. The backward pass stops above them. As for all methods,
weight decay applies to arrays with two or more axes; MAE's code spares the class token and
positions.

The recipe of ``configs/finetune.py:paper`` is that of MAE (He et al. 2022,
https://arxiv.org/abs/2111.06377, table 9). Deviation: RandAugment is the original one; theirs is
timm's, whose magnitude varies by a normal deviate of 0.5 and whose operations differ slightly.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment.compose import Augmentation
from ssl_jax.augment.mixing import cutmix, mixup
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Backbone, Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.images import batched, centered, crop_area, normalizer
from ssl_jax.methods.common.teacher import follow
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.blocks import blocks, branches, merged, up_to
from ssl_jax.nn.drop_path import drop_path
from ssl_jax.nn.linear import Linear

SETTINGS = {
    "classes": settings.names((), "names of the classes; set from the data", may_be_empty=True),
    "freeze": settings.text(
        None,
        "last frozen block: stem, stage1, block1, ..., or backbone for all of them",
        optional=True,
    ),
    "batch_norm": settings.choice(
        "batch", "statistics of the BatchNorm of trained blocks", ("batch", "running")
    ),
    "augment.name": settings.choice(
        "crop_flip", "augmentation of images", ("none", "crop_flip", "randaugment")
    ),
    "augment.area": crop_area((0.08, 1.0)),
    "augment.layers": settings.integer(2, "RandAugment's operations per image", at_least=1),
    "augment.magnitude": settings.real(
        9.0, "strength of RandAugment's operations", at_least=0, at_most=10
    ),
    "augment.erasing": settings.share(0.0, "probability that a random box is erased"),
    "mixup": settings.real(0.0, "mixup's alpha; 0: no mixup", at_least=0),
    "cutmix": settings.real(0.0, "CutMix's alpha; 0: no CutMix", at_least=0),
    "label_smoothing": settings.share(0.0, "share of a target that goes to all classes alike"),
    "drop_path": settings.real(
        0.0, "probability to leave out the last residual branch", at_least=0, below=1
    ),
    "ema": settings.real(
        0.0, "momentum of the average of the weights; 0: no average", at_least=0, below=1
    ),
}
_HEAD = jax.nn.initializers.normal(0.01)


class Classifier(nnx.Module):
    """The backbone's layers, and the ``logits`` of the classes.

    Args:
      config: see ``make``.
      running: blocks whose BatchNorm uses its running statistics.
      rngs: ``params`` initializes.
    """

    def __init__(self, config: ConfigDict, running: tuple[str, ...], rngs: nnx.Rngs):
        self.running = running
        self.backbone = backbones.make(config, rngs)
        self.head = Linear(
            self.backbone.features, len(config.method.classes), kernel_init=_HEAD, rngs=rngs
        )

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        keep: Float[Array, "n r"] | None = None,
        *,
        train: bool,
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images; ``keep`` is drawn by ``drop_path``."""
        layers = self.backbone(images, keep, train=train, frozen=self.running)
        return layers | {"logits": self.head(layers["features"])}


def make(config: ConfigDict) -> Method:
    """Builds fine-tuning from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c], "label": int [n]}``; its views are
      ``image`` ``[1, n, h, w, c]`` and ``targets`` ``[1, n, k]``.

    Raises:
      InputError: the data has fewer than two classes, or ``freeze`` names no block of the backbone.
    """
    method, classes = config.method, len(config.method.classes)
    if classes < 2:
        raise InputError(
            f"method.classes: {tuple(method.classes)}; expected data with labels of two or more "
            "classes"
        )
    parts, frozen = _parts(config)
    running = parts if method.batch_norm == "running" else frozen
    network = from_module(
        lambda rngs: Classifier(config, running, rngs), microbatches=config.train.microbatches
    )
    augmentation, normalize = batched(_augmentation(config)), normalizer(config)
    is_cropped = method.augment.name != "none"
    center = centered(config)
    last_frozen = method.freeze or ""

    def split(backbone: Params) -> tuple[Params, Params]:
        return up_to(backbone, last_frozen)

    def joined(params: Params, extra: Extra) -> Params:
        return params | {"backbone": merged(extra["frozen"], params["backbone"])}

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        params, stats = network.init(key)
        below, above = split(params["backbone"])
        params = params | {"backbone": above}
        extra = {"stats": stats, "frozen": below}
        if method.ema:
            extra["average"] = jax.tree.map(jnp.copy, params)
        return params, extra

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        image_key, mix_key = jax.random.split(key)
        batch = batch if is_cropped else center(batch)
        images = augmentation(jax.random.split(image_key, len(batch["image"])), batch)
        targets = optax.smooth_labels(
            jax.nn.one_hot(batch["label"], classes), method.label_smoothing
        )
        images, targets = _mixed(mix_key, images, targets, method.mixup, method.cutmix)
        return {"image": images[None], "targets": targets[None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del step
        params, images = joined(params, extra), normalize(views["image"])
        keep = None
        if method.drop_path:
            count = branches(params["backbone"])
            keep = drop_path(key, images.shape[1], count, method.drop_path)[None]
        layers, stats = network.apply_views(params, extra["stats"], images, keep, train=True)
        logits, targets = layers["logits"].astype(jnp.float32), views["targets"]
        value = optax.softmax_cross_entropy(logits, targets).mean()
        accuracy = (logits.argmax(-1) == targets.argmax(-1)).mean()
        return value, (
            extra | {"stats": stats},
            {"accuracy": accuracy} | vitals.of_choice(classes),
        )

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        if method.ema:
            # as tf.train.ExponentialMovingAverage: the first weights are soon forgotten
            momentum = jnp.minimum(method.ema, (1 + step) / (10 + step))
            extra = extra | {"average": follow(extra["average"], params, momentum)}
        return params, extra

    def layers_of(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        kept = joined(extra.get("average", params), extra)
        images = normalize(to_float(batch["image"]))
        return network.apply(kept, extra["stats"], images, train=False)[0]

    def predict(params: Params, extra: Extra, batch: Batch) -> Float[Array, "n k"]:
        return layers_of(params, extra, batch)["logits"].astype(jnp.float32)

    def backbone(params: Params, extra: Extra) -> Backbone:
        kept = joined(extra.get("average", params), extra)
        return kept["backbone"], extra["stats"].get("backbone", {})

    def with_backbone(params: Params, extra: Extra, new: Backbone) -> tuple[Params, Extra]:
        below, above = jax.tree.map(jnp.copy, split(new[0]))
        params, extra = params | {"backbone": above}, extra | {"frozen": below}
        if new[1]:
            stats = extra["stats"] | {"backbone": jax.tree.map(jnp.copy, new[1])}
            extra = extra | {"stats": stats}
        if method.ema:
            extra = extra | {"average": jax.tree.map(jnp.copy, params)}
        return params, extra

    return Method(
        init,
        views,
        loss,
        update,
        embed=layers_of,
        backbone=backbone,
        with_backbone=with_backbone,
        inputs=("image", "label"),
        predict=predict,
    )


def _parts(config: ConfigDict) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names of the backbone's blocks, and of those that are frozen."""
    network = from_module(lambda rngs: backbones.make(config, rngs))
    params, _ = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    names, freeze = tuple(blocks(params)), config.method.freeze or ""
    if freeze not in ("", "backbone", *names):
        raise InputError(
            f"method.freeze: {freeze!r}; {config.network.name} has {', '.join(names)}; expected "
            "one of these, or backbone"
        )
    return names, tuple(blocks(up_to(params, freeze)[0]))


def _augmentation(config: ConfigDict) -> Augmentation:
    """Builds the augmentation of a single image."""
    chosen = config.method.augment
    functions: list[Augmentation] = []
    if chosen.name != "none":
        size = config.data.image_size
        functions.append(augment.recipes.crop_and_flip(size=size, area=chosen.area))
    if chosen.name == "randaugment":
        if config.data.channels not in (1, 3):
            raise InputError(
                f"method.augment.name: randaugment changes colors, which {config.data.channels} "
                "channels do not have; expected none or crop_flip"
            )
        functions.append(
            partial(augment.randaugment, layers=chosen.layers, magnitude=chosen.magnitude)
        )
    if chosen.erasing:
        functions.append(partial(augment.random_erasing, probability=chosen.erasing))
    return augment.compose(*functions)


def _mixed(
    key: PRNGKeyArray,
    images: Float[Array, "n h w c"],
    targets: Float[Array, "n k"],
    mixup_alpha: float,
    cutmix_alpha: float,
) -> tuple[Float[Array, "n h w c"], Float[Array, "n k"]]:
    """Applies mixup or CutMix; if both are on, one of them to each batch, equally often."""
    choice_key, key = jax.random.split(key)
    blend = partial(mixup, key, images, targets)
    paste = partial(cutmix, key, images, targets)
    if mixup_alpha and cutmix_alpha:
        return jax.lax.cond(
            jax.random.bernoulli(choice_key),
            lambda: blend(alpha=mixup_alpha),
            lambda: paste(alpha=cutmix_alpha),
        )
    if mixup_alpha:
        return blend(alpha=mixup_alpha)
    return paste(alpha=cutmix_alpha) if cutmix_alpha else (images, targets)
