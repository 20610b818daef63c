"""What methods on images share: normalization, views of one shape, augmentation settings."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment import pixels
from ssl_jax.augment.compose import Augmentation, Image
from ssl_jax.augment.geometry import center_crop
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Views

_SQUARE = 2**31  # no key of a view is derived with it

Normalize = Callable[[Float[Array, "*n h w c"]], Float[Array, "*n h w c"]]


def normalizer(config: ConfigDict) -> Normalize:
    """Builds the function that normalizes images in [0, 1] for a network.

    Args:
      config: ``data.mean`` and ``data.std`` are read.
    """
    return lambda images: pixels.normalize(images, config.data.mean, config.data.std)


def batched(
    augmentation: Augmentation,
) -> Callable[[PRNGKeyArray, Batch], Float[Array, "n h w c"]]:
    """Maps an augmentation that begins with a random crop over the images of a batch.

    Returns:
      ``(keys, batch) -> images``, with one key per image. If the images are stored whole, squeezed
      into a square, the crops have their true ``aspect``.
    """

    def augmented(keys: PRNGKeyArray, batch: Batch) -> Float[Array, "n h w c"]:
        images = to_float(batch["image"])
        if "aspect" not in batch:
            return jax.vmap(augmentation)(keys, images)
        return jax.vmap(lambda k, image, a: augmentation(k, image, picture_aspect=a))(
            keys, images, batch["aspect"]
        )

    return augmented


def centered(config: ConfigDict) -> Callable[[Batch], Batch]:
    """Builds the function that gives a training batch to ``Method.embed``.

    Args:
      config: ``data.image_size`` and ``data.center_crop`` are read.

    Returns:
      ``batch -> batch``: the same batch, or, if its images are stored whole, their centers, which
      evaluation sees.
    """
    data = config.data

    def center(image: Image, picture_aspect: Scalar) -> Image:
        return center_crop(
            image, size=data.image_size, share=data.center_crop, picture_aspect=picture_aspect
        )

    def of_batch(batch: Batch) -> Batch:
        if "aspect" not in batch:
            return batch
        images = jax.vmap(center)(to_float(batch["image"]), batch["aspect"])
        others = {name: x for name, x in batch.items() if name != "aspect"}
        return others | {"image": jnp.round(255 * images).astype(jnp.uint8)}

    return of_batch


def squares(
    config: ConfigDict,
) -> Callable[[PRNGKeyArray, Batch], Float[Array, "n s s c"]]:
    """Builds the function that gives the images in [0, 1] to a method without a random crop.

    Args:
      config: ``data.image_size`` is read.

    Returns:
      ``(key, batch) -> images``: the images as they are, or, if they are stored whole, a square of
      each at a random place along its longer side.
    """
    square = partial(augment.random_square, size=config.data.image_size)

    def squared(key: PRNGKeyArray, batch: Batch) -> Float[Array, "n s s c"]:
        images = to_float(batch["image"])
        if "aspect" not in batch:
            return images
        keys = jax.random.split(jax.random.fold_in(key, _SQUARE), len(images))
        return jax.vmap(lambda k, image, a: square(k, image, picture_aspect=a))(
            keys, images, batch["aspect"]
        )

    return squared


def views_of(augmentations: Sequence[Augmentation]) -> Callable[[PRNGKeyArray, Batch], Views]:
    """Builds a method's ``views``: ``image`` ``[v, n, h, w, c]``, one view per augmentation."""
    functions = [batched(augmentation) for augmentation in augmentations]

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        keys = jax.random.split(key, (len(functions), len(batch["image"])))
        return {"image": jnp.stack([f(k, batch) for f, k in zip(functions, keys, strict=True)])}

    return views


def simclr_augmentation(
    *, area: tuple[float, float], strength: float, blur: float
) -> dict[str, settings.Setting]:
    """Declares the arguments of ``augment.recipes.simclr`` as settings ``augment.*``."""
    return {
        "augment.area": crop_area(area),
        "augment.strength": settings.real(strength, "strength of the color jitter", at_least=0),
        "augment.blur": settings.share(blur, "probability of Gaussian blur"),
        "augment.interpolation": interpolation(),
    }


def interpolation() -> settings.Setting:
    """Declares how random crops are resized."""
    return settings.choice("bilinear", "interpolation of random crops", ("bilinear", "bicubic"))


def crop_area(default: tuple[float, float]) -> settings.Setting:
    """Declares the area of random crops."""
    return settings.area(
        default, "smallest and largest share of the image that a random crop takes"
    )
