"""Denoising autoencoder: paint an image without the noise that was added to it.

Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, 2008,
https://doi.org/10.1145/1390156.1390294, section 2.3, for an image ``x`` of ``d`` components, in
[0, 1], and its destroyed version ``x~``:

    y = f(x~),  z = sigmoid(g(y))
    loss = -sum_k x_k log z_k + (1 - x_k) log(1 - z_k)    or    |x - z|^2

An autoencoder with a wide code can copy its input and learn nothing. To fill in what was destroyed,
it has to know which components depend on which. ``f`` is one layer of sigmoid units, ``g`` a linear
layer, whose weights may be the transpose of ``f``'s (``method.tied``). Masking noise sets ``v d``
components to 0, drawn for each image. The other kinds are from Vincent et al., Stacked Denoising
Autoencoders, 2010, https://jmlr.org/papers/v11/vincent10a.html: salt-and-pepper noise sets the same
number of components to 0 or 1, and Gaussian noise is added to all of them, and not clipped.
Features are ``f(x)``, without noise.

Deviations: the loss is the mean over components. ``f`` sees normalized images; noise is applied
before. It may have several layers, which are trained together and not one after the other, or be
any other backbone, with transposed convolutions as ``g``. Run by
``configs/denoising_autoencoder.py``.
"""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import decoders, quality
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, squares
from ssl_jax.methods.reconstruction.noise import NOISE
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.mlp import MLP
from ssl_jax.nn.mirror import TiedDecoder

LOSSES = {
    "cross_entropy": optax.sigmoid_binary_cross_entropy,
    "squared_error": lambda logits, x: jnp.square(nnx.sigmoid(logits) - x),
}
SETTINGS = {
    "noise": settings.choice("masking", "kind of noise", tuple(NOISE)),
    "level": settings.share(
        0.25, "share of components that are destroyed, or standard deviation of Gaussian noise"
    ),
    "loss": settings.choice("cross_entropy", "what is minimized", tuple(LOSSES)),
    "tied": settings.flag(False, "whether an MLP's decoder has the encoder's weights, transposed"),
    "decoder": decoders.SETTING,
}


class Denoiser(nnx.Module):
    """The encoder's layers, and the ``logits`` of the pixels."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make(config, rngs)
        self.tied, widths = config.method.tied, config.network.widths[:-1][::-1]
        dtype, side = jnp.dtype(config.network.dtype), config.data.image_size
        self.decoder: Any = (
            TiedDecoder(cast(MLP, self.encoder), side, dtype=dtype)
            if self.tied
            else decoders.make(config, self.encoder.features, widths, rngs)
        )

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images."""
        layers = self.encoder(images, train=train)
        y = layers["features"]
        inputs = (y, self.encoder) if self.tied else (y,)
        return layers | {"logits": self.decoder(*inputs, train=train)}


def make(config: ConfigDict) -> Method:
    """Builds the denoising autoencoder from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``, with
      noise, and ``target``, without, ``[1, n, h, h, c]``.

    Raises:
      InputError: only MLPs can be tied, or the decoder has too few layers.
    """
    if config.method.tied and config.network.name not in backbones.MLPS:
        raise InputError(
            f"method.tied: True, but {config.network.name} is not an MLP; expected False"
        )
    decoders.check(config)
    network = from_module(
        lambda rngs: Denoiser(config, rngs), microbatches=config.train.microbatches
    )
    noise = jax.vmap(partial(NOISE[config.method.noise], level=config.method.level))
    normalize, square = normalizer(config), squares(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = square(key, batch)
        noisy = noise(jax.random.split(key, len(images)), images)
        return {"image": noisy[None], "target": images[None]}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        (noisy,), (clean,) = views["image"], views["target"]
        layers, stats = network.apply(params, stats, normalize(noisy), train=True)
        return LOSSES[config.method.loss](layers["logits"], clean).mean(), (stats, {})

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        layers, _ = network.apply(params, stats, images, train=False)
        return {name: x for name, x in layers.items() if name != "logits"}

    def denoised(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, "n h w c"], ...]:
        """Returns test images with noise, without noise as painted, and as they are."""
        (noisy,), (clean,) = views(key, batch).values()
        layers, _ = network.apply(params, stats, normalize(noisy), train=False)
        return noisy, nnx.sigmoid(layers["logits"]), clean

    def score(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Returns the quality of the paintings, and of the noisy images as a yardstick."""
        noisy, painted, clean = denoised(params, stats, batch, key)
        return quality.scores(painted, clean) | quality.scores(noisy, clean, "noisy")

    def show(params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        noisy, painted, clean = denoised(params, stats, batch, key)
        return {"the original": clean, "with noise": noisy, "without noise, as painted": painted}

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)
