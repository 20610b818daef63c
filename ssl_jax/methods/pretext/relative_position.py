"""Relative position: on which side of a patch does another patch of the same image lie?

Doersch, Gupta, Efros, Unsupervised Visual Representation Learning by Context Prediction, 2015,
https://arxiv.org/abs/1505.05192, section 3. Of the patches x1, ..., x9 of a 3 x 3 grid, x5 is the
middle one, and

    loss = mean over its eight neighbors i of -log softmax(g([f(x5), f(xi)]))_i

``f`` is a tower that sees each patch alone; ``g`` reads its outputs for two patches, concatenated
(``nn.late_fusion``). Where a patch belongs can be told from the part of an object that it shows,
but also from other cues. Against these, patches are some distance apart and jittered; each is
normalized by its own mean and standard deviation, as in the authors' code
(https://github.com/cdoersch/deepcontext); and, against chromatic aberration, each keeps one color
channel of its own. With ``method.colors`` set to ``project``, the paper's other way, colors are
projected, which hides less. Features are the backbone's of the whole image.

Deviations: the authors ask about all pairs of neighbors in grids that fill an image whose size
varies; here there is one grid, and the first patch is its middle. They shrink and enlarge some
patches, against the effect of pixelation. Their tower is a CaffeNet up to fc6; here it is
``network.name`` and a layer of width ``method.code``. Their BatchNorm has no scale and bias.
BatchNorm sees all patches of a batch jointly. Run by ``configs/relative_position.py``.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.augment.aberration import drop_colors, project_colors
from ssl_jax.augment.pixels import standardize, to_float
from ssl_jax.augment.tiles import TILES
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, squares
from ssl_jax.methods.common.tiles import cutter, grid_of, grid_settings, in_context, mosaic
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.late_fusion import LateFusion

MIDDLE = TILES // 2
NEIGHBORS = np.delete(np.arange(TILES), MIDDLE)
PAIRS = np.stack([np.full_like(NEIGHBORS, MIDDLE), NEIGHBORS], axis=1)
ANSWERS = np.arange(len(PAIRS))
COLORS = {"drop": drop_colors, "project": project_colors}

SETTINGS = {
    **grid_settings(tile=96, gap=48, jitter=7),
    "colors": settings.choice("drop", "what hides chromatic aberration", tuple(COLORS)),
    "code": settings.integer(4096, "length of a patch's code, the tower's output", at_least=1),
    "hidden": settings.widths((4096, 4096), "widths of the head's hidden layers"),
}


def make(config: ConfigDict) -> Method:
    """Builds relative-position prediction from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.image_size``, ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[9, n, t, t, c]``, the patches row by row.

    Raises:
      InputError: the patches do not fit into the image or the network.
    """
    grid, recolor = grid_of(config), jax.vmap(COLORS[config.method.colors])
    cut = cutter(grid, lambda key, patches: recolor(jax.random.split(key, TILES), patches))
    network = from_module(
        lambda rngs: _towers(config, rngs), microbatches=config.train.microbatches
    )
    whole = from_module(lambda rngs: _towers(config, rngs), call="layers")
    normalize, square = normalizer(config), squares(config)

    def logits_of(
        params: Params, stats: Extra, patches: Float[Array, "9 n t t c"], *, train: bool
    ) -> tuple[Float[Array, "n 8 8"], Extra]:
        tiles = standardize(patches).swapaxes(0, 1)
        pairs = jnp.broadcast_to(PAIRS, (len(tiles), *PAIRS.shape))
        logits, stats = network.apply(params, stats, tiles, pairs, train=train)
        return logits.astype(jnp.float32), stats

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        return {"image": cut(key, square(key, batch))[0]}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        logits, stats = logits_of(params, stats, views["image"], train=True)
        answers = jnp.broadcast_to(ANSWERS, logits.shape[:2])
        value = optax.softmax_cross_entropy_with_integer_labels(logits, answers).mean()
        accuracy = (logits.argmax(-1) == answers).mean()
        return value, (stats, {"accuracy": accuracy} | vitals.of_choice(len(ANSWERS)))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        return whole.apply(params, stats, images, train=False)[0]

    def score(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """Returns the share of each image's eight neighbors whose position is found."""
        patches, _ = cut(key, to_float(batch["image"]))
        logits, _ = logits_of(params, stats, patches, train=False)
        return {"position_accuracy": (logits.argmax(-1) == ANSWERS).mean(axis=1)}

    def show(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, "n h w c"]]:
        images = to_float(batch["image"])
        patches, corners = cut(key, images)
        logits, _ = logits_of(params, stats, patches, train=False)
        found = jnp.insert(logits.argmax(-1) == ANSWERS, MIDDLE, True, axis=1)
        patches = patches.swapaxes(0, 1)
        located = jnp.where(found[..., None, None, None], patches, 1.0)
        return {
            "where the patches lie": in_context(grid, images, corners),
            "what the network sees of them, one by one": mosaic(patches),
            "the neighbors of the middle patch whose position it finds": mosaic(located),
        }

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def _towers(config: ConfigDict, rngs: nnx.Rngs) -> LateFusion:
    return LateFusion(
        backbones.make(config, rngs),
        config.method.code,
        PAIRS.shape[1],
        (*config.method.hidden, len(ANSWERS)),
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )
