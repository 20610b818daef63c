"""Time to make 256 SimCLR views with the whole recipe, compared with torchvision on PIL images.

The recipe is crop, flip, color jitter with hue, grayscale, and blur with probability 0.5, also at
32x32, so that blur is timed. Ours is jitted and uses all cores. Torchvision's pipeline is a single
process, which gets 256 / cores images: the best that one loader process per core could do.
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
    """Yields a line of text before each race and its rows after it."""
    for size in SIZES:
        yield f"{N} views of {size}x{size}"
        views = Contestant("ssl_jax", ours, (size,))
        peer = Contestant("torchvision, PIL", torchvision, (size,))
        yield compare(lanes, f"{N} views {size}x{size}", "float32", views, [peer], rounds=5)


def ours(size: int) -> Work:
    """Prepares our jitted recipe on all images."""
    view = jax.vmap(augment.recipes.simclr(strength=0.5))

    def views(key: jax.Array, images: jax.Array) -> jax.Array:
        return view(jax.random.split(key, N), images / 255.0)

    return jitted(views, jax.random.key(0), jax.numpy.asarray(_images(size)))


def torchvision(size: int) -> Work:
    """Prepares torchvision's pipeline on one core's share of the images."""
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
