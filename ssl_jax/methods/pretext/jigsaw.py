"""Jigsaw: how have nine tiles of an image been shuffled?

Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles, 2016,
https://arxiv.org/abs/1603.09246. For tiles x1, ..., x9 of a 3 x 3 grid, and permutations p1, ...,
pk that are far apart (``permutations``), of which p_y was drawn,

    loss = -log softmax(g([f(x_p_y(1)), ..., f(x_p_y(9))]))_y

``f`` is a tower that sees each tile alone; ``g`` reads the nine outputs, concatenated
(``nn.late_fusion``). It cannot compare tiles before it knows what each shows. Against other cues,
tiles are random crops of their cells, so that edges do not continue; each is normalized by its own
mean and standard deviation; and, against chromatic aberration, a share of the images are gray and
the color channels of each tile are shifted. Features are the backbone's of the whole image.

Deviations: the tower is ``network.name`` and a layer of width ``method.code``; the authors' is an
AlexNet up to fc6 with a first stride of 2. BatchNorm replaces dropout, and sees all tiles of a
batch jointly. Tiles stay within their cells including the shifts of channels, so they move by less
than in the authors' code (https://github.com/MehdiNoroozi/JigsawPuzzleSolver), which does not
normalize them. Several puzzles of the same tiles can be solved per step (``method.puzzles``), as in
Kolesnikov et al. 2019 (https://arxiv.org/abs/1901.09005): tiles are encoded once, and their codes
are shuffled. Run by ``configs/jigsaw.py``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment.aberration import jitter_channels
from ssl_jax.augment.pixels import standardize, to_float
from ssl_jax.augment.tiles import TILES, Tiles
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer, squares
from ssl_jax.methods.common.tiles import cutter, grid_of, grid_settings, in_context, mosaic
from ssl_jax.methods.pretext.permutations import far_apart
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.late_fusion import LateFusion

_SCORED = 8  # puzzles per held-out image

SETTINGS = {
    **grid_settings(tile=64, gap=21, jitter=8),
    "channel_jitter": settings.integer(
        2, "largest shift of a tile's color channel, in pixels", at_least=0
    ),
    "gray": settings.share(0.3, "share of images that are turned gray"),
    "permutations": settings.integer(
        100, "number of permutations to tell apart", at_least=2, at_most=362_880
    ),
    "puzzles": settings.integer(1, "permutations of each image in a batch", at_least=1),
    "code": settings.integer(1024, "length of a tile's code, the tower's output", at_least=1),
    "hidden": settings.widths((4096,), "widths of the head's hidden layers"),
}


def make(config: ConfigDict) -> Method:
    """Builds the jigsaw puzzle solver from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.image_size``, ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"image": uint8 [n, h, h, c]}``; its views are ``image``
      ``[9, n, t, t, c]``, the tiles in their order, and ``puzzle`` ``[q, n]``, the numbers of the
      permutations.

    Raises:
      InputError: the tiles do not fit into the image or the network.
    """
    method = config.method
    grid = grid_of(config, margin=method.channel_jitter)
    permutations = far_apart(method.permutations)
    shift = jax.vmap(partial(jitter_channels, jitter=method.channel_jitter))
    network = from_module(
        lambda rngs: _solver(config, rngs), microbatches=config.train.microbatches
    )
    whole = from_module(lambda rngs: _solver(config, rngs), call="layers")
    normalize, square = normalizer(config), squares(config)

    def recolor(key: PRNGKeyArray, tiles: Tiles) -> Tiles:
        shift_key, gray_key = jax.random.split(key)
        gray = augment.recipes.on_colors(partial(augment.grayscale, probability=method.gray))
        shifted = shift(jax.random.split(shift_key, TILES), tiles)
        return jax.vmap(partial(gray, gray_key))(shifted)

    cut = cutter(grid, recolor)

    def puzzles_of(key: PRNGKeyArray, n: int, count: int) -> Int[Array, "q n"]:
        return jax.random.randint(key, (count, n), 0, len(permutations))

    def logits_of(
        params: Params,
        stats: Extra,
        tiles: Float[Array, "9 n t t c"],
        puzzles: Int[Array, "q n"],
        *,
        train: bool,
    ) -> tuple[Float[Array, "q n k"], Extra]:
        order = jnp.asarray(permutations)[puzzles.T]
        logits, stats = network.apply(
            params, stats, standardize(tiles).swapaxes(0, 1), order, train=train
        )
        return logits.swapaxes(0, 1).astype(jnp.float32), stats

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        tile_key, puzzle_key = jax.random.split(key)
        tiles, _ = cut(tile_key, square(tile_key, batch))
        return {
            "image": tiles,
            "puzzle": puzzles_of(puzzle_key, len(batch["image"]), method.puzzles),
        }

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        puzzles = views["puzzle"]
        logits, stats = logits_of(params, stats, views["image"], puzzles, train=True)
        value = optax.softmax_cross_entropy_with_integer_labels(logits, puzzles).mean()
        accuracy = (logits.argmax(-1) == puzzles).mean()
        return value, (stats, {"accuracy": accuracy} | vitals.of_choice(len(permutations)))

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        images = normalize(to_float(batch["image"]))
        return whole.apply(params, stats, images, train=False)[0]

    def score(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        """Returns the share of each image's puzzles that are solved."""
        tile_key, puzzle_key = jax.random.split(key)
        tiles, _ = cut(tile_key, to_float(batch["image"]))
        puzzles = puzzles_of(puzzle_key, tiles.shape[1], _SCORED)
        logits, _ = logits_of(params, stats, tiles, puzzles, train=False)
        return {"jigsaw_accuracy": (logits.argmax(-1) == puzzles).mean(axis=0)}

    def show(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, "n h w c"]]:
        tile_key, puzzle_key = jax.random.split(key)
        images = to_float(batch["image"])
        tiles, corners = cut(tile_key, images)
        (puzzle,) = puzzles = puzzles_of(puzzle_key, len(images), 1)
        (logits,), _ = logits_of(params, stats, tiles, puzzles, train=False)
        reorder = jax.vmap(lambda tiles, order: tiles[order])
        shuffled = reorder(tiles.swapaxes(0, 1), jnp.asarray(permutations)[puzzle])
        inverse = jnp.asarray(np.argsort(permutations, axis=1))
        return {
            "where the tiles lie": in_context(grid, images, corners),
            "the puzzle": mosaic(shuffled),
            "the solution found": mosaic(reorder(shuffled, inverse[logits.argmax(-1)])),
        }

    backbone, with_backbone = backbone_at("params/backbone", "extra/backbone")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)


def _solver(config: ConfigDict, rngs: nnx.Rngs) -> LateFusion:
    return LateFusion(
        backbones.make(config, rngs),
        config.method.code,
        TILES,
        (*config.method.hidden, config.method.permutations),
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )
