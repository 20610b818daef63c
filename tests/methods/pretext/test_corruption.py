"""Corruption: which classes are drawn, what they look like, the loss and the accuracy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment import corruptions
from ssl_jax.errors import InputError
from ssl_jax.methods.common.networks import Classifier
from ssl_jax.methods.pretext import corruption
from ssl_jax.nn import from_module
from tests import tiny
from tests.methods.case import Case

CASE = Case({"area": (0.5, 1.0), "corruptions": ("shuffle", "patch")})
NAMES = tuple(corruption.CORRUPTIONS)


def make(channels=1, **changes):
    dataset = tiny.data(channels=channels)
    block = {"name": "corruption", "area": (1.0, 1.0)} | changes
    config = tiny.resolved(tiny.config(**block), dataset)
    return corruption.make(config), config, tiny.batch(dataset)


def drawn(method, batch, draws=40):
    """Returns images and classes of many draws, and the uncropped images behind them."""
    run = jax.jit(jax.vmap(lambda key: method.views(key, batch)))
    views = run(jax.random.split(jax.random.key(0), draws))
    images = np.asarray(views["image"])[:, 0]
    return images.reshape(-1, *images.shape[2:]), np.asarray(views["corruption"]).ravel()


@pytest.mark.parametrize(
    ("changes", "classes"),
    [({}, 6), ({"corruptions": ("blur", "patch")}, 3), ({"binary": True}, 2)],
)
def test_all_classes_are_equally_likely(changes, classes):
    method, _, batch = make(**changes)
    _, kinds = drawn(method, batch)
    counts = np.bincount(kinds, minlength=classes)
    assert len(counts) == classes
    assert stats.chisquare(counts).pvalue > 1e-3


def resembles(name, image, original, other):
    """Returns whether a corruption may have made an image of another."""
    if name == "clean":
        return np.allclose(image, original, atol=1e-6)
    if name in ("blur", "pixelation"):
        function = corruptions.CORRUPTIONS[name]
        expected = function(jax.random.key(0), jnp.float32(original), strength=5)
        return np.allclose(image, expected, atol=1e-5)
    if name == "noise":
        inner = (original > 0.3) & (original < 0.7)
        return 0.03 < np.std((image - original)[inner]) < 0.3
    if name == "shuffle":
        same = np.allclose(np.sort(image.ravel()), np.sort(original.ravel()), atol=1e-6)
        return same and not np.allclose(image, original, atol=1e-6)
    changed = np.abs(image - original).max(-1) > 1e-6
    ys, xs = np.nonzero(changed)
    inside = changed.any() and np.ptp(ys) < 4 and np.ptp(xs) < 4
    return inside and np.allclose(image[changed], other[changed], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_class_is_corrupted_in_its_way(channels):
    method, _, batch = make(channels)
    pictures, kinds = drawn(method, batch, draws=4)
    originals = np.tile(np.float32(batch["image"] / 255), (4, 1, 1, 1))
    flips = np.stack([originals, originals[:, :, ::-1]], 1)
    others = np.roll(flips, 1, axis=0)
    for image, kind, own, other in zip(pictures, kinds, flips, others, strict=True):
        found = {
            name
            for name in ("clean", *NAMES)
            for a in own
            for b in other
            if resembles(name, image, a, b)
        }
        assert ("clean", *NAMES)[kind] in found, (kind, found)


def test_loss_is_the_cross_entropy_of_the_class():
    method, config, batch = make()
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, (_, metrics) = jax.jit(method.loss)(
        params, extra, views, jax.random.key(2), jnp.int32(0)
    )
    network = from_module(lambda rngs: Classifier(config, 6, rngs))
    images = (views["image"][0] - np.array(config.data.mean)) / np.array(config.data.std)
    run = jax.jit(lambda x: network.apply(params, extra, x, train=True)[0]["logits"])
    logits = np.asarray(run(images.astype(jnp.float32)), np.float64)
    kinds = np.asarray(views["corruption"][0])
    total = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(kinds)), kinds]
    np.testing.assert_allclose(value, total.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], (logits.argmax(1) == kinds).mean(), rtol=1e-6)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(6), rtol=1e-6)


@pytest.mark.parametrize("binary", [False, True])
def test_an_answer_that_is_always_the_same_is_right_by_chance(binary):
    method, _, batch = make(binary=binary)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    classes = 2 if binary else 6
    score = jax.jit(method.score)
    for answer in range(classes):
        head = {"kernel": jnp.zeros_like(params["head"]["kernel"])}
        head["bias"] = jnp.zeros(classes).at[answer].set(1.0)
        scores = score(params | {"head": head}, extra, batch, jax.random.key(0))
        for name in ("corruption_accuracy", "corruption_chance"):
            np.testing.assert_allclose(scores[name], np.full(tiny.BATCH, 1 / classes), rtol=1e-6)


def test_a_right_answer_counts_as_its_class(monkeypatch):
    """With a network that sees the class, only the clean images are told from the others."""
    method, _, batch = make(binary=True, corruptions=("shuffle", "noise"))
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)

    def correct(logits_of):
        class Oracle:
            apply_views = staticmethod(
                lambda params, extra, views, train: ({"logits": logits_of(views)}, extra)
            )

        monkeypatch.setattr(corruption, "from_module", lambda *a, **k: Oracle)
        oracle, _, _ = make(binary=True, corruptions=("shuffle", "noise"))
        return oracle.score(params, extra, batch, jax.random.key(0))["corruption_accuracy"]

    def knows(views):
        seen = jnp.abs(views - views[:1]).max((2, 3, 4)) > 0
        return jnp.stack([~seen, seen], -1).astype(jnp.float32)

    np.testing.assert_allclose(correct(knows), 1.0)
    np.testing.assert_allclose(correct(lambda views: -knows(views)), 0.0)


def test_pictures_show_every_corruption():
    method, _, batch = make(3)
    params, extra = jax.jit(method.init)(jax.random.key(0), batch)
    pictures = jax.jit(method.show)(params, extra, batch, jax.random.key(0))
    assert set(pictures) == {"clean", *corruption.CORRUPTIONS.values()}
    images = np.float32(batch["image"] / 255)
    for name, title in corruption.CORRUPTIONS.items():
        for made, image, other in zip(pictures[title], images, np.roll(images, 1, 0), strict=True):
            assert resembles(name, np.asarray(made), image, other), name


def test_patches_that_do_not_divide_the_image_are_refused():
    with pytest.raises(
        InputError, match=r"^method.grid: 3 does not divide data.image_size 8; expected .* 2, 4, 8$"
    ):
        make(grid=3)
    make(grid=3, corruptions=("noise",))
