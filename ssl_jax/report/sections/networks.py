"""Sections about the backbone: its first filters, and its features and attention patch by patch."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ssl_jax.augment.pixels import to_float
from ssl_jax.data.dataset import gather
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Backbone, Batch
from ssl_jax.methods.common.images import normalizer
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.blocks import blocks
from ssl_jax.nn.functional import Network
from ssl_jax.report.sections.base import Subject, evenly_spaced
from ssl_jax.report.sections.kinds import Pictures, Tiles

_FILTERS = 64
_EXAMPLES, _FEWEST_EXAMPLES, _MAPS = 6, 3, 48
_HEAT = np.array([1.0, 0.5, 0.1])  # orange
_STRONGEST, _DIMMED = 0.85, 0.7  # the largest share of orange; the brightness of the image below


def filters(subject: Subject) -> Iterator[Tiles]:
    """Yields the first layer's weights, of a convolutional network or an MLP, as pictures."""
    config = subject.config
    if config.network.name in backbones.VITS or (backbone := _backbone(subject)) is None:
        return
    first_block = next(iter(blocks(backbone[0]).values()))
    (kernel,) = (x for x in jax.tree.leaves(first_block) if x.ndim > 1)
    if config.network.name in backbones.MLPS:
        side = config.data.image_size
        kernel = kernel.reshape(side, side, config.data.channels, -1)
        what = "units of the first layer, each of which sees all"
        advice = (
            "Units that respond to a place look like blobs, those that respond to a part of an "
        )
        advice += "object like strokes or outlines, and those that have learned little like noise."
    else:
        what = "kernels of the first convolution,"
        advice = "Large kernels trained on photographs often look like edges and blobs of color; "
        advice += "small ones are hard to read."
    height, width, _, count = kernel.shape
    shown = f"The {count}" if count <= _FILTERS else f"{_FILTERS} of the {count}"
    yield Tiles(
        "First filters",
        f"{shown} {what} {height} x {width} pixels, each scaled to its own range, from its "
        f"smallest weight in black to its largest in white. {advice}",
        "Filter",
        filter_pictures(kernel)[:_FILTERS],
    )


def patches(subject: Subject) -> Iterator[Pictures]:
    """Yields a ViT's features and attention in each patch of a few test images."""
    config, test = subject.config, subject.data.test
    is_vit = config.network.name in backbones.VITS
    if not is_vit or (backbone := _backbone(subject)) is None:
        return
    batch = gather(test, evenly_spaced(test, _EXAMPLES))
    features, maps = _patches_and_maps(config, backbone, batch)
    count = max(_FEWEST_EXAMPLES, _MAPS // maps.shape[1])
    images, features, maps = (x[:count] for x in (batch["image"] / 255.0, features, maps))
    colors = principal_colors(features).reshape(len(maps), *maps.shape[2:], 3)
    caption = (
        "Each column shows one test image. Below it: its patches, colored by the first three "
        "principal components of their features, so that patches with similar features have "
        "similar colors. Then, for each head of the last block: the more orange a patch, the more "
        "the class token attends to it."
    )
    if config.network.pool != "cls":
        caption += (
            f" The features are pooled from the patches (network.pool is {config.network.pool}) "
            "and not from the class token, so its attention may say little."
        )
    heads = [(f"head {i}", overlaid(images, x)) for i, x in enumerate(maps.swapaxes(0, 1), 1)]
    rows = [("the image", images), ("features of the patches", colors), *heads]
    yield Pictures("Patch by patch", caption, rows)


def _patches_and_maps(config: ConfigDict, backbone: Backbone, batch: Batch) -> Sequence[np.ndarray]:
    """Returns a ViT's ``patches`` ``[n, t, d]`` and attention maps ``[n, heads, r, c]``."""
    encode, attend = _network(config), _network(config, "attention_maps")

    @jax.jit
    def run(params: Any, stats: Any, batch: Batch) -> tuple[Array, Array]:
        images = normalizer(config)(to_float(batch["image"]))
        layers, _ = encode.apply(params, stats, images, train=False)
        maps, _ = attend.apply(params, stats, images, train=False)
        return layers["patches"], maps

    return jax.device_get(run(*backbone, {"image": batch["image"]}))


def _network(config: ConfigDict, call: str = "__call__") -> Network:
    return from_module(lambda rngs: backbones.make(config, rngs), call=call)


def _backbone(subject: Subject) -> Backbone | None:
    """Returns the backbone; None if the method has none that is the config's network.

    A method of one's own may keep its backbone to itself, or may have another network.
    """
    try:
        found = subject.method.backbone(subject.params, subject.extra)
    except InputError:
        return None
    expected = jax.eval_shape(_network(subject.config).init, jax.random.key(0))
    return found if _shapes(found) == _shapes(expected) else None


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}


def filter_pictures(
    kernel: Float[Array | np.ndarray, "h w c o"],
) -> Float[np.ndarray, "o h w c"]:
    """Returns each filter as a picture, scaled to its own range; a constant one is gray."""
    return _scaled(np.moveaxis(np.asarray(kernel, np.float64), -1, 0), axis=(1, 2, 3))


def principal_colors(features: Float[np.ndarray, "n t d"]) -> Float[np.ndarray, "n t 3"]:
    """Colors patches by the first three principal components of their features.

    The components are those of all given patches, centered. Each one is scaled to [0, 1] over all
    patches, and signed so that the patch farthest from the middle lies above it; so the same
    features have the same colors, and so have rotated ones.

    Args:
      features: ``[n, t, d]``.

    Returns:
      Red, green and blue: the first, second and third component. Where there are fewer, gray.
    """
    n, t, _ = features.shape
    x = features.reshape(n * t, -1).astype(np.float64)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    scores = np.zeros((n * t, 3))
    rank = min(3, int((s > 1e-6 * s[0]).sum()))
    scores[:, :rank] = u[:, :rank] * s[:rank]
    farthest = np.take_along_axis(scores, np.abs(scores).argmax(0)[None], 0)
    return _scaled(scores * np.where(farthest < 0, -1, 1), axis=0).reshape(n, t, 3)


def overlaid(
    images: Float[np.ndarray, "n h w c"], weights: Float[np.ndarray, "n rows columns"]
) -> Float[np.ndarray, "n h w 3"]:
    """Lays weights over images in dim gray: the larger a patch's weight, the more orange it is.

    Args:
      images: in [0, 1].
      weights: one per patch, of at least 0. Each image's are divided by their largest.
    """
    largest = weights.max((1, 2), keepdims=True)
    share = weights / np.where(largest > 0, largest, 1)
    side = images.shape[1] // weights.shape[1]
    share = _STRONGEST * share.repeat(side, 1).repeat(side, 2)[..., None]
    return (1 - share) * _DIMMED * images.mean(-1, keepdims=True) + share * _HEAT


def _scaled(x: np.ndarray, axis: Any) -> np.ndarray:
    """Scales to [0, 1] along the axes; what is constant becomes .5."""
    low, high = x.min(axis, keepdims=True), x.max(axis, keepdims=True)
    return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0.5)
