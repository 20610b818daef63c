"""Frame order: are three frames of a clip in the order in which they were filmed?

Misra, Zitnick, Hebert, Shuffle and Learn: Unsupervised Learning using Temporal Order Verification,
2016, https://arxiv.org/abs/1603.08561, section 3. Of three frames x1, x2, x3 of a clip

    p = sigmoid(g([y1, y2, y3])),  y = f(x) - mean of f(x1), f(x2), f(x3)
    loss = cross-entropy of p and "in order"

``f`` is a tower that sees each frame alone; ``g`` reads its three outputs, concatenated.
``frame_tuples`` draws the frames: only the middle one tells the answers apart. One tuple in four is
in order, which the paper found best. The loss is not weighted for that: ``chance_loss`` is the
entropy of that share, and always answering "no" scores 75 %. ``score`` asks about one tuple of each
kind, with the prior moved to one half.

Deviations: tuples out of order are reversed too. The paper draws frames where optical flow is
large; here all clips and times are equally likely. The tower is ``network.name``; the paper's is
CaffeNet up to fc7. The paper's ``g`` reads f(x) and is linear. But no sum of one number per frame
can tell which frame lies between the others, so ``method.hidden`` adds hidden layers. And the three
outputs differ little compared with what they share, so their mean is subtracted. All frames of a
tuple are flipped and shifted together. BatchNorm sees the three frames jointly, as in the authors'
code, and over all devices. Features are the tower's outputs for a clip's first, middle and last
frame, concatenated. Run by ``configs/frame_order.py``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import augment, settings
from ssl_jax.augment.pixels import to_float
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.methods.common.images import normalizer
from ssl_jax.methods.video.frame_tuples import frame_tuples
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.heads import MLP

SETTINGS = {
    "in_order": settings.real(0.25, "share of tuples that are in order", above=0, below=1),
    "reach": settings.integer(
        60, "largest distance between the ends of a tuple, in frames", at_least=2
    ),
    "gap": settings.integer(
        15, "smallest distance from an out-of-order middle frame to the ends, in frames", at_least=1
    ),
    "shift": settings.integer(0, "largest shift of a tuple, in pixels", at_least=0),
    "hidden": settings.widths((), "widths of the head's hidden layers", may_be_empty=True),
}


class Verifier(nnx.Module):
    """``f`` and ``g``: the layers of three frames, concatenated, and the ``logit`` of their order.

    Args:
      config: what ``backbones.make`` reads, ``method.hidden`` and ``network.dtype``.
      rngs: the ``params`` stream initializes the parameters.
    """

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs):
        self.tower = backbones.make(config, rngs)
        widths, dtype = (*config.method.hidden, 1), jnp.dtype(config.network.dtype)
        self.head = MLP(3 * self.tower.features, widths, dtype=dtype, rngs=rngs)

    def __call__(
        self, frames: Float[Array, "n 3 h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized frames; ``patches`` has those of one after the other."""
        layers = self.tower(frames.reshape(-1, *frames.shape[2:]), train=train)
        n = len(frames)
        three = layers["features"].reshape(n, 3, -1)
        changes = (three - three.mean(axis=1, keepdims=True)).reshape(n, -1)
        layers = {name: x.reshape(n, -1, *x.shape[2:]) for name, x in layers.items()}
        return layers | {"logit": self.head(changes, train=train)}


def make(config: ConfigDict) -> Method:
    """Builds frame-order verification from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make`` reads;
        ``train.microbatches``; ``data.frames``, ``data.mean`` and ``data.std``.

    Returns:
      The method. Its batch is ``{"video": uint8 [n, f, h, w, c]}``.

    Raises:
      InputError: the data has no clips, or clips have too few frames.
    """
    method, frames = config.method, config.data.frames
    tuples_of = frame_tuples(frames, reach=method.reach, gap=method.gap)
    network = from_module(
        lambda rngs: Verifier(config, rngs), microbatches=config.train.microbatches
    )
    augmentation = augment.compose(
        augment.horizontal_flip, partial(augment.random_crop, padding=method.shift)
    )
    share = method.in_order
    normalize = normalizer(config)

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        def draw_tuple(key: PRNGKeyArray, clip: Array) -> tuple[Array, Array]:
            answer_key, order_key, augment_key = jax.random.split(key, 3)
            ordered = jax.random.bernoulli(answer_key, share)
            chosen = to_float(clip[tuples_of.times(order_key, ordered)])
            return jax.vmap(partial(augmentation, augment_key))(chosen), ordered

        keys = jax.random.split(key, len(batch["video"]))
        tuples, ordered = jax.vmap(draw_tuple, out_axes=(1, 0))(keys, batch["video"])
        return {"frames": tuples, "ordered": ordered[None].astype(jnp.float32)}

    def loss(
        params: Params, stats: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        tuples, ordered = normalize(views["frames"]).swapaxes(0, 1), views["ordered"][0]
        layers, stats = network.apply(params, stats, tuples, train=True)
        logits = layers["logit"][:, 0].astype(jnp.float32)
        value = optax.sigmoid_binary_cross_entropy(logits, ordered).mean()
        accuracy = ((logits > 0) == (ordered > 0.5)).mean()
        signs = vitals.of_event(share) | vitals.of_embeddings(layers["features"])
        return value, (stats, {"accuracy": accuracy} | signs)

    def embed(params: Params, stats: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        clips = batch["video"]
        chosen = jnp.stack([clips[:, i] for i in (0, frames // 2, frames - 1)], axis=1)
        layers, _ = network.apply(params, stats, normalize(to_float(chosen)), train=False)
        return layers

    def one_of_each(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> list[tuple[Float[Array, "n 3 h w c"], Float[Array, " n"]]]:
        """Returns one tuple of each clip in order and one out of order, with their logits.

        Both are equally likely here, so the log odds of ``in_order`` are taken off the logits.
        """
        clips, results = batch["video"], []
        for ordered, half in zip((True, False), jax.random.split(key), strict=True):
            draw_times = jax.vmap(partial(tuples_of.times, ordered=ordered))
            times = draw_times(jax.random.split(half, len(clips)))
            tuples = to_float(jax.vmap(lambda clip, at: clip[at])(clips, times))
            layers, _ = network.apply(params, stats, normalize(tuples), train=False)
            logits = layers["logit"][:, 0].astype(jnp.float32)
            results.append((tuples, logits - jnp.log(share / (1 - share))))
        return results

    def score(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, " n"]]:
        (_, ordered), (_, shuffled) = one_of_each(params, stats, batch, key)
        return {"order_accuracy": ((ordered > 0) + (shuffled <= 0).astype(jnp.float32)) / 2}

    def show(
        params: Params, stats: Extra, batch: Batch, key: PRNGKeyArray
    ) -> dict[str, Float[Array, "n h w c"]]:
        pictures = {}
        for answer, (tuples, logits) in zip(
            ("in", "out of"), one_of_each(params, stats, batch, key), strict=True
        ):
            wide = jnp.concatenate(list(tuples.swapaxes(0, 1)), axis=2)
            filled = jnp.arange(wide.shape[2]) < wide.shape[2] * jax.nn.sigmoid(logits)[:, None]
            bar = jnp.broadcast_to(filled[:, None, :, None], wide[:, :2].shape)
            title = f"{answer} order, and how likely"
            pictures[title] = jnp.concatenate([wide, 1.0 * bar], axis=1)
        return pictures

    backbone, with_backbone = backbone_at("params/tower", "extra/tower")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)
