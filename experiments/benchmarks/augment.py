"""SimCLR's views, whole recipe, beside torchvision's on pictures of PIL; time for 256 views.

Crop, flip, jitter with hue, grey, and blur (probability .5, also at 32x32, so that it is timed).
Ours under jit on all cores; the peer's pipeline is one process, so its time is divided by the
cores: what as many loader processes would give at best.
"""

import os
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.race import Contestant, Track, Work, compare, jitted
from ssl_jax import augment

N = 256
SIZES = (32, 224)


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """A text before each race, and its rows after it."""
    for size in SIZES:
        yield f"{N} views of {size}x{size}"
        views = Contestant("ssl_jax", ours, (size,))
        peer = Contestant("torchvision, PIL", torchvision, (size,))
        yield compare(lanes, f"{N} views {size}x{size}", "float32", views, [peer], rounds=5)


def ours(size: int) -> Work:
    """Ours, under jit."""
    view = jax.vmap(augment.recipes.simclr(strength=0.5))

    def views(key: jax.Array, images: jax.Array) -> jax.Array:
        return view(jax.random.split(key, N), images / 255.0)

    return jitted(views, jax.random.key(0), jax.numpy.asarray(_images(size)))


def torchvision(size: int) -> Work:
    """Its pipeline, on the share of one core."""
    from PIL import Image
    from torchvision import transforms as t

    jitter = t.ColorJitter(0.4, 0.4, 0.4, 0.1)
    width = max(3, size // 10 // 2 * 2 + 1)
    view = t.Compose(
        [
            t.RandomResizedCrop(size, scale=(0.08, 1.0)),
            t.RandomHorizontalFlip(),
            t.RandomApply([jitter], 0.8),
            t.RandomGrayscale(0.2),
            t.RandomApply([t.GaussianBlur(width, (0.1, 2.0))], 0.5),
            t.ToTensor(),
        ]
    )
    share = N // (os.cpu_count() or 1)
    pictures = [Image.fromarray(image) for image in _images(size)[:share]]

    def call() -> None:
        for picture in pictures:
            view(picture)

    return Work(call)


def _images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, size, size, 3), np.uint8)
