"""Autoencoder: squeeze an image through a short code, and paint it again; or the variational one.

Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, 2006,
https://doi.org/10.1126/science.1127647, for an image ``x`` with pixels in [0, 1]:

    code = A f(x) + a,  loss = mean over pixels of |x - sigmoid(g(code))|^2

With linear ``f`` and ``g`` and no sigmoid, the best code is that of principal component analysis,
which the report shows beside it. Kingma and Welling, Auto-Encoding Variational Bayes, 2014,
https://arxiv.org/abs/1312.6114, equation 10 and appendices B and C (``method.variational``):

    mean = A f(x) + a,  log s^2 = B f(x) + b,  z = mean + s e,  e ~ N(0, 1)
    loss = sum over pixels of the cross-entropy of x and sigmoid(g(z))
           + 1/2 sum over the code of mean^2 + s^2 - log s^2 - 1

The second sum is the Kullback-Leibler divergence of the code's distribution from ``N(0, 1)``, the
whole an upper bound of ``-log p(x)`` if pixels are black or white. There, ``f`` is one layer of
tanh units, and so is ``g`` before its last, linear layer. The evaluated layer is ``code``: of the
variational autoencoder, the mean. ``features`` is ``f(x)``.

Deviations: the 2006 paper trains its layers one after the other at first, and minimizes a
cross-entropy; the squared error is what principal components minimize. ``f`` may be any backbone,
with transposed convolutions as ``g``. Run by ``configs/autoencoder.py``.
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import decoders, quality, vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, squares
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.linear import Linear

SETTINGS = {
    "code": settings.integer(32, "length of the code", at_least=1),
    "variational": settings.flag(False, "whether the code is a normal distribution"),
    "decoder": decoders.SETTING,
}


class Coder(nnx.Module):
    """The encoder's layers, the ``code``, its ``log_variance`` and the ``logits`` of the pixels."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make(config, rngs)
        method, dtype = config.method, jnp.dtype(config.network.dtype)
        self.code = Linear(self.encoder.features, method.code, dtype=dtype, rngs=rngs)
        self.variational = method.variational
        if self.variational:
            self.log_variance = Linear(self.encoder.features, method.code, dtype=dtype, rngs=rngs)
        self.decoder = decoders.make(config, method.code, config.network.widths[::-1], rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], noise: Float[Array, "n k"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images; ``noise`` is ``e`` of the variational code."""
        layers = self.encoder(images, train=train)
        code = z = self.code(layers["features"]).astype(jnp.float32)
        layers["code"] = code
        if self.variational:
            layers["log_variance"] = self.log_variance(layers["features"]).astype(jnp.float32)
            z = code + jnp.exp(layers["log_variance"] / 2) * noise
        return layers | {"logits": self.decoder(z, train=train)}


def make(config: ConfigDict) -> Method:
    """Builds the autoencoder from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its view is ``image``
      ``[1, n, h, h, c]``.

    Raises:
      InputError: the decoder has too few layers.
    """
    decoders.check(config)
    network = from_module(lambda rngs: Coder(config, rngs), microbatches=config.train.microbatches)
    normalize, square = normalizer(config), squares(config)

    def run(
        params: Params, stats: Extra, images: Array, key: PRNGKeyArray | None, *, train: bool
    ) -> tuple[dict[str, Array], Extra]:
        """Returns all layers; without a key, the code is the mean."""
        shape = len(images), config.method.code
        noise = jnp.zeros(shape) if key is None else jax.random.normal(key, shape)
        return network.apply(params, stats, normalize(images), noise, train=train)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        return {"image": square(key, batch)[None]}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del step
        (images,) = views["image"]
        layers, stats = run(params, stats, images, key, train=True)
        metrics = vitals.of_embeddings(layers["code"])
        if config.method.variational:
            error, divergence = (x.mean() for x in bound(layers, images))
            metrics |= {"reconstruction": error, "kl": divergence}
            return error + divergence, (stats, metrics)
        return quality.mse(nnx.sigmoid(layers["logits"]), images).mean(), (stats, metrics)

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        layers, _ = run(params, stats, to_float(batch["image"]), None, train=False)
        return {name: x for name, x in layers.items() if name not in ("logits", "log_variance")}

    def score(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns the quality of the paintings, and ``nats``: the variational loss."""
        images = to_float(batch["image"])
        layers, _ = run(params, stats, images, None, train=False)
        found = quality.scores(nnx.sigmoid(layers["logits"]), images)
        if config.method.variational:
            layers, _ = run(params, stats, images, key, train=False)
            error, divergence = bound(layers, images)
            found["nats"] = error + divergence
        return found

    def show(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del key
        images = to_float(batch["image"])
        layers, _ = run(params, stats, images, None, train=False)
        title = f"from a code of {config.method.code} numbers"
        return {"the original": images, title: nnx.sigmoid(layers["logits"])}

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def bound(
    layers: dict[str, Float[Array, "n ..."]], images: Float[Array, "n h w c"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Returns the variational loss in nats: the cross-entropy, and the divergence of the code."""
    error = optax.sigmoid_binary_cross_entropy(layers["logits"], images).sum(axis=(1, 2, 3))
    mean, log_variance = layers["code"], layers["log_variance"]
    divergence = jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1
    return error, divergence.sum(axis=-1) / 2
