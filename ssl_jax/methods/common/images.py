"""What methods on images share: normalization, views of one shape, augmentation settings."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.augment import pixels
from ssl_jax.augment.compose import Augmentation
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Views

Normalize = Callable[[Float[Array, "*n h w c"]], Float[Array, "*n h w c"]]


def normalizer(config: ConfigDict) -> Normalize:
    """Builds the function that normalizes images in [0, 1] for a network.

    Args:
      config: ``data.mean`` and ``data.std`` are read.
    """
    return lambda images: pixels.normalize(images, config.data.mean, config.data.std)


def views_of(augmentations: Sequence[Augmentation]) -> Callable[[PRNGKeyArray, Batch], Views]:
    """Builds a method's ``views``: ``image`` ``[v, n, h, w, c]``, one view per augmentation."""
    batched = [jax.vmap(augmentation) for augmentation in augmentations]

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        images = to_float(batch["image"])
        keys = jax.random.split(key, (len(batched), len(images)))
        return {"image": jnp.stack([f(k, images) for f, k in zip(batched, keys, strict=True)])}

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
