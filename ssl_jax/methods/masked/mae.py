"""MAE: most patches are hidden, and a small decoder reconstructs them from the visible ones.

He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, https://arxiv.org/abs/2111.06377,
section 3 and appendix A.1:

    code = encoder(visible patches),  prediction = decoder(code and mask tokens, in place)
    loss = mean squared error of the hidden patches

The encoder, a ViT, sees the visible patches and no mask token; the decoder is discarded.
Targets may be normalized by each patch's own mean and standard deviation
(``method.normalize_targets``). The patches of each view get a random order, and the first ones, a
fixed number, stay visible, so that shapes are static. Features are the encoder's outputs for the
whole image.

Deviations: the encoder's position embeddings are learned, as everywhere in ``vit``; the decoder's
are sines and cosines, as the authors' are. Run by ``configs/mae.py``.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses, settings
from ssl_jax.augment.pixels import denormalize, to_float
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import batched, crop_area, interpolation, normalizer
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.patches import PatchDecoder, patches, take, unpatched, xavier

SETTINGS = {
    "mask_ratio": settings.real(0.75, "share of patches that are hidden", above=0, below=1),
    "decoder_width": settings.integer(512, "width of the decoder", at_least=4, multiple_of=4),
    "decoder_depth": settings.integer(8, "number of transformer blocks of the decoder", at_least=1),
    "decoder_heads": settings.integer(16, "number of attention heads of the decoder", at_least=1),
    "normalize_targets": settings.flag(
        True, "whether targets are normalized by each patch's mean and standard deviation"
    ),
    "area": crop_area((0.2, 1.0)),
    "interpolation": interpolation(),
}


class MaskedAutoencoder(nnx.Module):
    """A ViT, and a decoder that predicts patches from its code."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make_vit(config, rngs, kernel_init=xavier)
        self.decoder = PatchDecoder(
            self.encoder.class_token.shape[-1],
            config.network.patch_size**2 * config.data.channels,
            width=config.method.decoder_width,
            depth=config.method.decoder_depth,
            heads=config.method.decoder_heads,
            dtype=jnp.dtype(config.network.dtype),
            rngs=rngs,
        )

    def __call__(
        self,
        images: Float[Array, "n h w c"],
        visible: Int[Array, "n k"] | None = None,
        *,
        train: bool,
    ) -> dict[str, Float[Array, "n ..."]] | Float[Array, "n t p"]:
        """Returns all layers of whole images or, from ``visible`` patches, predictions of all."""
        if visible is None:
            return self.encoder(images, train=train)
        tokens = self.encoder.patches(images)
        kept = self.encoder.with_class_token(take(tokens, visible))
        code = self.encoder.norm(self.encoder.encode(kept)[-1])
        return self.decoder(code, visible, tokens.shape[1])


def make(config: ConfigDict) -> Method:
    """Builds MAE from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make_vit`` reads;
        ``train.microbatches``; ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[1, n, h, h, c]`` and ``visible`` ``[1, n, k]``, the indices of the visible patches.

    Raises:
      InputError: the decoder's width does not split into heads.
    """
    if config.method.decoder_width % config.method.decoder_heads:
        raise InputError(
            f"method.decoder_heads: {config.method.decoder_heads} does not divide "
            f"method.decoder_width {config.method.decoder_width}; expected a divisor"
        )
    network = from_module(
        lambda rngs: MaskedAutoencoder(config, rngs), microbatches=config.train.microbatches
    )
    view = augment.recipes.crop_and_flip(
        size=config.data.image_size,
        area=config.method.area,
        interpolation=config.method.interpolation,
    )
    augmentation = batched(view)
    size = config.network.patch_size
    count = (config.data.image_size // size) ** 2
    kept = max(1, round(count * (1 - config.method.mask_ratio)))

    def draw_visible(key: PRNGKeyArray, n: int) -> Int[Array, "n k"]:
        order = jax.vmap(lambda k: jax.random.permutation(k, count))
        return order(jax.random.split(key, n))[:, :kept]

    def hidden_mask(visible: Int[Array, "n k"]) -> Array:
        return ~jnp.any(visible[..., None] == jnp.arange(count), axis=1)

    normalize = normalizer(config)

    def predict(
        params: Params, images: Float[Array, "n h w c"], visible: Int[Array, "n k"], train: bool
    ) -> tuple[Float[Array, "n t p"], Float[Array, " n"]]:
        predictions, _ = network.apply(params, {}, images, visible, train=train)
        targets, mask = patches(images, size), hidden_mask(visible)
        return predictions, losses.masked_mse(
            predictions, targets, mask, normalize_targets=config.method.normalize_targets
        )

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        view_key, mask_key = jax.random.split(key)
        n = len(batch["image"])
        view = augmentation(jax.random.split(view_key, n), batch)
        return {"image": view[None], "visible": draw_visible(mask_key, n)[None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        _, error = predict(params, normalize(views["image"][0]), views["visible"][0], True)
        return error.mean(), (extra, {})

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        layers, _ = network.apply(params, extra, normalize(to_float(batch["image"])), train=False)
        return layers

    def score(
        params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """Returns the loss of uncropped images."""
        del extra
        images = normalize(to_float(batch["image"]))
        _, error = predict(params, images, draw_visible(key, len(images)), False)
        return {"masked_error": error}

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Gives normalized patches their true mean and deviation, which the loss ignores."""
        del extra
        pixels = to_float(batch["image"])
        images, visible = normalize(pixels), draw_visible(key, len(pixels))
        predictions, _ = predict(params, images, visible, False)
        true, mask = patches(images, size), hidden_mask(visible)[..., None]
        filled = predictions
        if config.method.normalize_targets:
            filled = filled * true.std(-1, keepdims=True, ddof=1) + true.mean(-1, keepdims=True)
        whole = unpatched(jnp.where(mask, filled, true), images.shape, size)
        hidden = unpatched(jnp.broadcast_to(mask, true.shape), images.shape, size)
        return {
            "the visible patches": jnp.where(hidden, 0.5, pixels),
            "the hidden patches predicted": denormalize(whole, config.data.mean, config.data.std),
            "the original": pixels,
        }

    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)
