"""DINO: a student sees crops of all sizes and predicts its slow copy's output on the large ones.

Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021,
https://arxiv.org/abs/2104.14294, Algorithm 1 and equations 1 to 4:

    target = softmax((g'(f'(large crop)) - c) / T'),  loss = cross-entropy of target and
    softmax(g(f(crop)) / T), averaged over pairs of a large crop and another crop of any size
    f', g' <- m f', g' + (1 - m) f, g;  c <- m_c c + (1 - m_c) mean of the teacher's logits

``f`` is a ViT, ``g`` ends in prototypes; features are the teacher's ``f'``. The center ``c`` keeps
the teacher from choosing one prototype for every crop; its low temperature ``T'`` keeps it from
choosing all of them equally. At first the prototypes are frozen and the teacher's temperature
rises. Over the run ``m`` rises to 1 and the weight decay rises too, each along half a cosine. The
student may leave out residual branches (``method.drop_path``).

Deviations: the gradient is clipped by its global norm (``optimizer.clip_norm``); the authors clip
each parameter's gradient by its own norm. Frozen prototypes get a gradient of 0, while the authors
leave them out of the optimizer: they decay, and AdamW's averages start with the run. The teacher's
temperature rises and the prototypes thaw at a step, not at an epoch. Run by ``configs/dino.py``.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.common import teacher, vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import batched, crop_area, interpolation, normalizer
from ssl_jax.methods.common.schedules import cosine, linear
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.blocks import branches
from ssl_jax.nn.drop_path import drop_path
from ssl_jax.nn.heads import PrototypeHead

SETTINGS = {
    "head": settings.widths(
        (2048, 2048, 256), "widths of the head's layers; the last one is the bottleneck"
    ),
    "prototypes": settings.integer(65_536, "number of prototypes", at_least=2),
    "scaled": settings.flag(False, "whether each prototype's logit has a scale that is learned"),
    "drop_path": settings.real(
        0.0, "probability to leave out the student's last residual branch", at_least=0, below=1
    ),
    "student_temperature": settings.real(0.1, "softmax temperature of the student", above=0),
    "teacher_temperature": settings.real(
        0.07, "softmax temperature of the teacher after warm-up", above=0
    ),
    "teacher_temperature_start": settings.real(
        0.04, "softmax temperature of the teacher at the first step", above=0
    ),
    "warmup": settings.share(0.1, "share of all steps in which the teacher's temperature rises"),
    "frozen": settings.share(
        1 / 300, "share of all steps, from the start, in which prototypes are frozen"
    ),
    "momentum": settings.share(
        0.996, "momentum of the teacher's moving average at the start; it rises to 1"
    ),
    "center_momentum": settings.share(0.9, "momentum of the center's moving average"),
    "local_views": settings.integer(8, "number of small crops", at_least=1),
    "augment.area": crop_area((0.4, 1.0)),
    "augment.interpolation": interpolation(),
    "augment.small_size": settings.integer(96, "side of the small crops in pixels", at_least=4),
    "augment.small_area": settings.area(
        (0.05, 0.4), "smallest and largest share of the image that a small crop takes"
    ),
}


class Network(nnx.Module):
    """The backbone's layers, and ``logits`` over the prototypes."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        method = config.method
        self.backbone = backbones.make(config, rngs)
        self.head = PrototypeHead(
            self.backbone.features,
            method.head,
            method.prototypes,
            scaled=method.scaled,
            dtype=jnp.dtype(config.network.dtype),
            rngs=rngs,
        )

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        keep: Float[Array, "n r"] | None = None,
        *,
        train: bool,
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images; ``keep`` is drawn by ``drop_path``."""
        layers = self.backbone(images, keep, train=train)
        return layers | {"logits": self.head(layers["features"])}


def make(config: ConfigDict) -> Method:
    """Builds DINO from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.steps`` and ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``; its views are ``large``
      ``[2, n, h, w, c]`` and ``small`` ``[v, n, h', w', c]``.

    Raises:
      InputError: small crops do not split into a ViT's patches, or an MLP cannot read them.
    """
    side, patch = config.method.augment.small_size, config.network.patch_size
    if config.network.name in backbones.MLPS and side != (only := config.data.image_size):
        raise InputError(
            f"method.augment.small_size: {side}, but {config.network.name} reads one size of "
            f"images; expected {only}"
        )
    if config.network.name in backbones.VITS and side % patch:
        raise InputError(
            f"method.augment.small_size: {side} does not split into patches of {patch}; "
            "expected a multiple of network.patch_size"
        )
    network = from_module(
        lambda rngs: Network(config, rngs), microbatches=config.train.microbatches
    )
    crops = augment.recipes.multicrop(size=config.data.image_size, **config.method.augment)
    first, second, small = map(batched, crops)
    method, steps, normalize = config.method, config.train.steps, normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        params, stats = network.init(key)
        return params, {
            "stats": stats,
            "teacher": teacher.start(params, stats),
            "center": jnp.zeros(method.prototypes),
        }

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        functions = [first, second] + [small] * method.local_views
        keys = jax.random.split(key, (len(functions), len(batch["image"])))
        crops = [f(k, batch) for f, k in zip(functions, keys, strict=True)]
        return {"large": jnp.stack(crops[:2]), "small": jnp.stack(crops[2:])}

    def kept(
        key: PRNGKeyArray, params: Params, *shapes: tuple[int, ...]
    ) -> list[Float[Array, "v n r"] | None]:
        """Draws the residual branches that the student keeps, for views and examples."""
        if not method.drop_path:
            return [None] * len(shapes)
        count = branches(params["backbone"])
        return [
            drop_path(k, math.prod(shape), count, method.drop_path).reshape(*shape, count)
            for k, shape in zip(jax.random.split(key, len(shapes)), shapes, strict=True)
        ]

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        large, small = normalize(views["large"]), normalize(views["small"])
        params = _freeze_prototypes(params, step < method.frozen * steps)
        large_keep, small_keep = kept(key, params, large.shape[:2], small.shape[:2])
        student_large, stats = network.apply_views(
            params, extra["stats"], large, large_keep, train=True
        )
        student_small, stats = network.apply_views(params, stats, small, small_keep, train=True)
        old = extra["teacher"]
        teacher_large, teacher_stats = network.apply_views(
            old["params"], old["stats"], large, train=True
        )
        targets = jax.lax.stop_gradient(teacher_large["logits"])
        temperature = linear(
            method.teacher_temperature_start,
            method.teacher_temperature,
            step,
            round(method.warmup * steps),
        )
        value = losses.dino(
            jnp.concatenate([student_large["logits"], student_small["logits"]]),
            targets,
            extra["center"],
            student_temperature=method.student_temperature,
            teacher_temperature=temperature,
        ).mean()
        momentum = method.center_momentum
        choices = jax.nn.softmax((targets[0] - extra["center"]) / temperature)
        extra = {
            "stats": stats,
            "teacher": {"params": old["params"], "stats": teacher_stats},
            "center": losses.update_center(extra["center"], targets, momentum=momentum),
        }
        return value, (extra, vitals.of_prototypes(choices))

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        del params
        images, kept = normalize(to_float(batch["image"])), extra["teacher"]
        layers, _ = network.apply(kept["params"], kept["stats"], images, train=False)
        return layers

    update = teacher.following(lambda step: cosine(method.momentum, 1.0, step, steps))
    backbone, with_backbone = backbone_at(
        "extra/teacher/params/backbone",
        "extra/teacher/stats/backbone",
        copies=[("params/backbone", "extra/stats/backbone")],
    )
    return Method(init, views, loss, update, embed, backbone=backbone, with_backbone=with_backbone)


def _freeze_prototypes(params: Params, frozen: Array) -> Params:
    """Returns the same parameters; if ``frozen``, no gradient reaches the prototypes."""
    last = {
        name: params["head"][name] for name in ("prototypes", "scales") if name in params["head"]
    }
    last = {name: jnp.where(frozen, jax.lax.stop_gradient(x), x) for name, x in last.items()}
    return params | {"head": params["head"] | last}
