"""Methods that a user might write: linear, on 8x8 gray images, and fast to compile."""

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from ssl_jax.methods.base import Method, no_update
from ssl_jax.methods.common.backbone import backbone_at
from tests import tiny

PIXELS, WIDTH, CLASSES = tiny.SIDE**2, 6, 3


def config(**settings: object) -> ConfigDict:
    """Returns the settings of a short run; ``method`` holds what only these methods read."""
    base = tiny.config(noise=0.5)
    base.optimizer.update({"name": "sgd", "learning_rate": 1.0, "warmup": 0.0})
    base.update_from_flattened_dict(settings)
    return base


def flat(images):
    return images.reshape(len(images), PIXELS).astype(jnp.float32) / 255


def encoded(params, extra, batch):
    return {"features": flat(batch["image"]) @ params["encoder"]["kernel"]}


def denoiser(config: ConfigDict) -> Method:
    """Reconstructs images from noisy ones; the noise is ``method.noise``."""

    def init(key, batch):
        encoder, decoder = jax.random.split(key)
        return {
            "encoder": {"kernel": jax.random.normal(encoder, (PIXELS, WIDTH)) / 8},
            "decoder": {"kernel": jax.random.normal(decoder, (WIDTH, PIXELS)) / 8},
        }, {"steps": jnp.zeros((), jnp.int32)}

    def views(key, batch):
        clean = flat(batch["image"])
        noisy = clean + config.method.noise * jax.random.normal(key, clean.shape)
        return {"clean": clean[None], "noisy": noisy[None]}

    def loss(params, extra, views, key, step):
        z = views["noisy"][0] @ params["encoder"]["kernel"]
        error = jnp.square(z @ params["decoder"]["kernel"] - views["clean"][0]).mean()
        return error, ({"steps": extra["steps"] + 1}, {})

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(
        init, views, loss, no_update, encoded, backbone=backbone, with_backbone=with_backbone
    )


def classifier(config: ConfigDict) -> Method:
    """Learns the labels."""
    del config

    def init(key, batch):
        return {
            "encoder": {"kernel": jax.random.normal(key, (PIXELS, WIDTH)) / 8},
            "head": {"kernel": jnp.zeros((WIDTH, CLASSES))},
        }, {}

    def views(key, batch):
        return {"image": flat(batch["image"])[None], "label": batch["label"][None]}

    def loss(params, extra, views, key, step):
        logits = views["image"][0] @ params["encoder"]["kernel"] @ params["head"]["kernel"]
        labels = views["label"][0]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        right = (logits.argmax(-1) == labels).mean()
        return losses.mean(), (extra, {"accuracy": right})

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(
        init,
        views,
        loss,
        no_update,
        encoded,
        backbone=backbone,
        with_backbone=with_backbone,
        inputs=("image", "label"),
    )
