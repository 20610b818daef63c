"""DINO: a student on small crops says what its slow copy says of large ones.

Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021,
https://arxiv.org/abs/2104.14294, Algorithm 1 and equations 1 to 4:

    target = softmax((g'(f'(large crop)) - c) / T'),  loss = cross-entropy of target and
    softmax(g(f(crop)) / T), the mean over pairs of a large crop and another, large or small
    f', g' <- m f', g' + (1 - m) f, g;  c <- m_c c + (1 - m_c) mean of the teacher's logits

``f`` is a ViT, ``g`` ends in prototypes; features are the teacher's ``f'``. The centre ``c`` keeps
the teacher from choosing one prototype always, its low temperature from choosing all alike. At
first the prototypes are frozen, the teacher's temperature rises, and over the run ``m`` goes to 1
and the weight decay rises, each by half a cosine.

Deviations: the gradient is clipped by its whole norm (``optimizer.clip_norm``), the authors' each
parameter's by its own; frozen prototypes keep their weight decay, which moves no direction of
theirs. Student and teacher are the same network, without the authors' stochastic depth. Run by
``configs/dino.py``.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.images import reader
from ssl_jax.methods.schedules import cosine, linear
from ssl_jax.methods.teacher import follow, start
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.heads import PrototypeHead


class Network(nnx.Module):
    """A backbone's layers, and ``logits`` over the prototypes."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        method = config.method
        self.backbone = backbones.make(config, rngs)
        self.head = PrototypeHead(
            self.backbone.features,
            method.head,
            method.prototypes,
            dtype=jnp.dtype(config.network.dtype),
            rngs=rngs,
        )

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """Of normalised images."""
        layers = self.backbone(images, train=train)
        return layers | {"logits": self.head(layers["features"])}


def make(config: ConfigDict) -> Method:
    """DINO as the config has it.

    Args:
      config: ``method.head`` (widths of the head's layers, the last a bottleneck),
        ``method.prototypes``, ``method.student_temperature``, ``method.teacher_temperature`` and
        ``method.teacher_temperature_start``, ``method.warmup`` (the share of all steps in which it
        rises), ``method.frozen`` (the share in which the prototypes are frozen),
        ``method.momentum`` (of the teacher at the start), ``method.center_momentum``,
        ``method.augment`` (arguments of ``augment.recipes.multicrop``), ``method.local_views`` (how
        many small crops), ``train.steps``, ``train.microbatches``, what ``backbones.make`` reads,
        and ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, w, c]}``; its views are ``large``
      ``[2, n, h, w, c]`` and ``small`` ``[v, n, h', w', c]``.
    """
    network = from_module(
        lambda rngs: Network(config, rngs), microbatches=config.train.microbatches
    )
    first, second, small = (jax.vmap(f) for f in augment.recipes.multicrop(**config.method.augment))
    method, steps = config.method, config.train.steps

    read = reader(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        params, stats = network.init(key)
        return params, {
            "stats": stats,
            "teacher": start(params, stats),
            "center": jnp.zeros(method.prototypes),
        }

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = to_float(batch["image"])
        functions = [first, second] + [small] * method.local_views
        keys = jax.random.split(key, (len(functions), len(images)))
        crops = [f(k, images) for f, k in zip(functions, keys, strict=True)]
        return {"large": jnp.stack(crops[:2]), "small": jnp.stack(crops[2:])}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key
        large, small = read(views["large"]), read(views["small"])
        params = _frozen_prototypes(params, step < method.frozen * steps)
        seen, stats = network.apply_views(params, extra["stats"], large, train=True)
        glimpsed, stats = network.apply_views(params, stats, small, train=True)
        teacher = extra["teacher"]
        told, teacher_stats = network.apply_views(
            teacher["params"], teacher["stats"], large, train=True
        )
        targets = jax.lax.stop_gradient(told["logits"])
        temperature = linear(
            method.teacher_temperature_start,
            method.teacher_temperature,
            step,
            round(method.warmup * steps),
        )
        value = losses.dino(
            jnp.concatenate([seen["logits"], glimpsed["logits"]]),
            targets,
            extra["center"],
            student_temperature=method.student_temperature,
            teacher_temperature=temperature,
        ).mean()
        momentum = method.center_momentum
        chosen = jax.nn.softmax((targets[0] - extra["center"]) / temperature)
        extra = {
            "stats": stats,
            "teacher": {"params": teacher["params"], "stats": teacher_stats},
            "center": losses.update_center(extra["center"], targets, momentum=momentum),
        }
        return value, (extra, vitals.of_prototypes(chosen))

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        momentum = cosine(method.momentum, 1.0, step, steps)
        teacher = extra["teacher"]
        followed = follow(teacher["params"], params, momentum)
        return params, extra | {"teacher": teacher | {"params": followed}}

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        del params
        images, teacher = read(to_float(batch["image"])), extra["teacher"]
        layers, _ = network.apply(teacher["params"], teacher["stats"], images, train=False)
        return layers

    return Method(init, views, loss, update, embed)


def _frozen_prototypes(params: Params, frozen: Array) -> Params:
    """The same parameters; where ``frozen``, no gradient reaches the prototypes."""
    prototypes = params["head"]["prototypes"]
    still = jnp.where(frozen, jax.lax.stop_gradient(prototypes), prototypes)
    return params | {"head": params["head"] | {"prototypes": still}}
