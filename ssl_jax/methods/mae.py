"""MAE: most patches are hidden, and a small decoder paints them from the code of the rest.

He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, https://arxiv.org/abs/2111.06377,
section 3 and appendix A.1:

    code = encoder(visible patches),  painted = decoder(code and mask tokens, each at its place)
    loss = mean squared error of the hidden patches

The encoder, a ViT, sees the visible patches and no mask token; the decoder is thrown away.
Each true patch may be normalised by its own mean and deviation (``method.normalize_targets``).
Which patches are hidden is a random order drawn with the views: the first of it are visible, so
shapes are static. Features are the encoder's of the whole image.

Deviations: the encoder's positions are learned, as everywhere in ``vit``; the decoder's are sines
and cosines as the authors'. Run by ``configs/mae.py``.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, losses
from ssl_jax.augment.pixels import denormalize, to_float
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.images import reader
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.patches import PatchDecoder, patches, take, unpatched


class MaskedAutoencoder(nnx.Module):
    """A ViT, and a narrower one that paints patches from its code."""

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.encoder = backbones.make_vit(config, rngs)
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
    ) -> dict[str, Float[Array, "n _"]] | Float[Array, "n t p"]:
        """All layers of whole images, or every patch painted from the visible ones."""
        if visible is None:
            return self.encoder(images, train=train)
        tokens = self.encoder.patches(images)
        kept = self.encoder.with_class_token(take(tokens, visible))
        code = self.encoder.norm(self.encoder.encode(kept)[-1])
        return self.decoder(code, visible, tokens.shape[1])


def make(config: ConfigDict) -> Method:
    """MAE as the config has it.

    Args:
      config: ``method.mask_ratio``, ``method.decoder_width`` (a multiple of 4),
        ``method.decoder_depth``, ``method.decoder_heads``, ``method.normalize_targets``,
        ``method.area`` (smallest and largest share of the image that a crop takes),
        ``train.microbatches``, what ``backbones.make`` reads of a ViT, and ``data.mean`` and
        ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[1, n, h, h, c]`` and ``visible`` ``[1, n, k]``, the numbers of the visible patches.
    """
    network = from_module(
        lambda rngs: MaskedAutoencoder(config, rngs), microbatches=config.train.microbatches
    )
    augmentation = jax.vmap(augment.recipes.crop_and_flip(area=config.method.area))
    size = config.network.patch_size
    count = (config.data.image_size // size) ** 2
    kept = max(1, round(count * (1 - config.method.mask_ratio)))

    def drawn(key: PRNGKeyArray, n: int) -> Int[Array, "n k"]:
        order = jax.vmap(lambda k: jax.random.permutation(k, count))
        return order(jax.random.split(key, n))[:, :kept]

    def hidden(visible: Int[Array, "n k"]) -> Array:
        return ~jnp.any(visible[..., None] == jnp.arange(count), axis=1)

    read = reader(config)

    def painted(
        params: Params, images: Float[Array, "n h w c"], visible: Int[Array, "n k"], train: bool
    ) -> tuple[Float[Array, "n t p"], Float[Array, " n"]]:
        predictions, _ = network.apply(params, {}, images, visible, train=train)
        targets, mask = patches(images, size), hidden(visible)
        return predictions, losses.masked_mse(
            predictions, targets, mask, normalize_targets=config.method.normalize_targets
        )

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        view_key, mask_key = jax.random.split(key)
        images = to_float(batch["image"])
        n = len(images)
        view = augmentation(jax.random.split(view_key, n), images)
        return {"image": view[None], "visible": drawn(mask_key, n)[None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        _, error = painted(params, read(views["image"][0]), views["visible"][0], True)
        return error.mean(), (extra, {})

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers, _ = network.apply(params, extra, read(to_float(batch["image"])), train=False)
        return layers

    def score(
        params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """The loss of whole images."""
        del extra
        images = read(to_float(batch["image"]))
        _, error = painted(params, images, drawn(key, len(images)), False)
        return {"masked_error": error}

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        """Normalised patches get the true ones' mean and deviation, which the loss leaves out."""
        del extra
        pixels = to_float(batch["image"])
        images, visible = read(pixels), drawn(key, len(pixels))
        predictions, _ = painted(params, images, visible, False)
        true, mask = patches(images, size), hidden(visible)[..., None]
        filled = predictions
        if config.method.normalize_targets:
            filled = filled * true.std(-1, keepdims=True, ddof=1) + true.mean(-1, keepdims=True)
        whole = unpatched(jnp.where(mask, filled, true), images.shape, size)
        covered = unpatched(jnp.broadcast_to(mask, true.shape), images.shape, size)
        return {
            "the visible patches": jnp.where(covered, 0.5, pixels),
            "the hidden ones painted": denormalize(whole, config.data.mean, config.data.std),
            "the truth": pixels,
        }

    return Method(init, views, loss, no_update, embed, score, show)
