"""An online probe: a linear classifier that is trained beside a method, to watch what it learns.

It reads the features that the evaluation scores, in evaluation mode, of the examples as they are.
It lives in ``extra`` and has its own optimizer, so nothing of it reaches the method: no gradient,
and no share in the norm that gradients are clipped by. ``online_accuracy`` is the accuracy on a
batch before the probe has learned from it.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax.data import Dataset
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Backbone, Batch, Extra, Method, Metrics, Params, Views
from ssl_jax.methods.common.images import centered

_OPTIMIZER = optax.adam(1e-3)
_EPSILON = 1e-5


def check(data: Dataset, config: ConfigDict) -> None:
    """Checks that the examples that a method trains on have labels, if a probe needs them.

    Raises:
      InputError: they do not.
    """
    if config.train.online_probe and "label" not in data.pretrain[0]:
        raise InputError(
            "train.online_probe: True, but the training examples have no labels; expected False"
        )


def beside(method: Method, config: ConfigDict) -> Method:
    """Adds an online probe to a method, for training, if ``config.train.online_probe`` is set.

    Args:
      method: is trained.
      config: resolved. ``evaluation.layers`` are the probe's features, ``train.online_classes`` is
        the number of its classes.

    Returns:
      The method itself without a probe; else a method with the same ``params``, whose ``extra`` is
      ``{"method": ..., "online_probe": ...}`` and whose batches have labels; a negative one stands
      for none. It has no ``score``, ``show`` and ``predict``, which training does not need.
    """
    if not config.train.online_probe:
        return method
    layers, classes = config.evaluation.layers, config.train.online_classes
    own_inputs = method.inputs or tuple(MODALITIES[config.data.modality].example(config.data))
    center = centered(config)

    def features(params: Params, extra: Extra, batch: Batch) -> Float[Array, "n d"]:
        found = method.embed(params, extra, center(batch))
        z = jnp.concatenate([found[layer] for layer in layers], axis=-1)
        return jax.lax.stop_gradient(z).astype(jnp.float32)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        params, extra = method.init(key, batch)
        size = jax.eval_shape(features, params, extra, batch).shape[-1]
        weights = {"kernel": jnp.zeros((size, classes)), "bias": jnp.zeros(classes)}
        probe = {"weights": weights, "optimizer": _OPTIMIZER.init(weights)}
        return params, {"method": extra, "online_probe": probe}

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        own = {name: x for name, x in batch.items() if name in (*own_inputs, "aspect")}
        return {"method": method.views(key, own), "online_probe": batch}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        value, (own, metrics) = method.loss(params, extra["method"], views["method"], key, step)
        batch = views["online_probe"]
        z = features(params, extra["method"], batch)
        probe, accuracy = learn(extra["online_probe"], z, batch["label"])
        extra = {"method": own, "online_probe": probe}
        return value, (extra, metrics | {"online_accuracy": accuracy})

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        params, own = method.update(params, extra["method"], step)
        return params, extra | {"method": own}

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        return method.embed(params, extra["method"], batch)

    def backbone(params: Params, extra: Extra) -> Backbone:
        return method.backbone(params, extra["method"])

    def with_backbone(params: Params, extra: Extra, new: Backbone) -> tuple[Params, Extra]:
        params, own = method.with_backbone(params, extra["method"], new)
        return params, extra | {"method": own}

    inputs = tuple(dict.fromkeys((*own_inputs, "label")))
    return Method(
        init,
        views,
        loss,
        update,
        embed,
        backbone=backbone,
        with_backbone=with_backbone,
        inputs=inputs,
    )


def without(extra: Extra, config: ConfigDict) -> Extra:
    """Returns the ``extra`` of the method that ``beside`` was given."""
    return extra["method"] if config.train.online_probe else extra


def learn(
    probe: dict[str, Extra], z: Float[Array, "n d"], labels: Int[Array, " n"]
) -> tuple[dict[str, Extra], Float[Array, ""]]:
    """Makes one step of Adam on the cross-entropy of standardized features.

    Args:
      probe: ``weights`` and ``optimizer``.
      z: ``[n, d]``, standardized with the batch's own statistics.
      labels: ``[n]``; negative: none.

    Returns:
      The probe after the step, and its accuracy on the batch before the step; 0 if no example has a
      label.
    """
    z = (z - z.mean(axis=0)) / jnp.sqrt(z.var(axis=0) + _EPSILON)
    known = labels >= 0
    count = jnp.maximum(known.sum(), 1)

    def loss(weights: dict[str, Array]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        logits = z @ weights["kernel"] + weights["bias"]
        each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(labels, 0))
        right = logits.argmax(axis=-1) == labels
        return jnp.where(known, each, 0).sum() / count, right.sum() / count

    gradient, accuracy = jax.grad(loss, has_aux=True)(probe["weights"])
    updates, optimizer = _OPTIMIZER.update(gradient, probe["optimizer"])
    weights = optax.apply_updates(probe["weights"], updates)
    return {"weights": weights, "optimizer": optimizer}, accuracy
