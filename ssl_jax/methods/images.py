"""What methods on images share: what a network reads, and views of one shape."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax.augment.compose import Augmentation
from ssl_jax.augment.pixels import normalize, to_float
from ssl_jax.methods.base import Batch, Views

Reader = Callable[[Float[Array, "*n h w c"]], Float[Array, "*n h w c"]]


def reader(config: ConfigDict) -> Reader:
    """Images in [0, 1] to what a network reads, by ``data.mean`` and ``data.std``."""
    return lambda images: normalize(images, config.data.mean, config.data.std)


def views_of(augmentations: Sequence[Augmentation]) -> Callable[[PRNGKeyArray, Batch], Views]:
    """The ``views`` of a method: ``image``, ``[v, n, h, w, c]``, one of each augmentation."""
    batched = [jax.vmap(augmentation) for augmentation in augmentations]

    def drawn(key: PRNGKeyArray, batch: Batch) -> Views:
        images = to_float(batch["image"])
        keys = jax.random.split(key, (len(batched), len(images)))
        return {"image": jnp.stack([f(k, images) for f, k in zip(batched, keys, strict=True)])}

    return drawn
