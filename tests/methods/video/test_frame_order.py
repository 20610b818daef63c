"""Frame order: which frames it draws, how it augments them, its loss and its score."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import frame_order as recipe
from ssl_jax import config as settings
from ssl_jax.methods.video import frame_order
from ssl_jax.nn import backbones, from_module
from ssl_jax.train.state import parameter_count
from tests import tiny
from tests.data.test_load import one_line
from tests.methods.case import Case

CASE = Case({"in_order": 0.25, "reach": 3, "gap": 1, "shift": 1, "hidden": (16,)}, data=tiny.clips)

BLOCK = {"name": "frame_order", "in_order": 0.25, "reach": 3, "gap": 1, "shift": 0, "hidden": (16,)}
TIMES = range(tiny.FRAMES)


def make(**changes):
    dataset = tiny.clips()
    config = tiny.resolved(tiny.config(**BLOCK | changes), dataset)
    return frame_order.make(config), config, dataset.pretrain.take(np.arange(tiny.BATCH))


@pytest.fixture(scope="module")
def started():
    method, config, batch = make()
    return method, config, batch, *jax.jit(lambda key: method.init(key, batch))(jax.random.key(0))


def numbered(count):
    """Builds clips in which the brightness of a frame is its index."""
    time = np.array(TIMES, np.uint8)[None, :, None, None, None]
    return {"video": np.broadcast_to(time, (count, len(TIMES), 4, 4, 1))}


def drawn(count, **changes):
    """Returns frame indices ``[count, 3]``, and whether the method labels them as in order."""
    views = jax.jit(make(**changes)[0].views)(jax.random.key(0), numbered(count))
    assert views["frames"].shape == (3, count, 4, 4, 1)
    assert views["ordered"].shape == (1, count)
    times = np.asarray(views["frames"] * 255).round().astype(int)
    assert (np.ptp(times, axis=(2, 3, 4)) == 0).all()
    return times[:, :, 0, 0, 0].T, np.asarray(views["ordered"][0])


@pytest.mark.parametrize(("reach", "gap"), [(3, 1), (9, 2)])
def test_every_tuple_within_the_distances_is_drawn_and_no_other(reach, gap):
    times, ordered = drawn(3000, reach=reach, gap=gap, in_order=0.5)
    expected = {True: set(), False: set()}
    for b in TIMES:
        for d in TIMES:
            room = b - gap >= 0 and d + gap < len(TIMES)
            if not (2 <= d - b <= reach and room):
                continue
            for middle in TIMES:
                if b < middle < d:
                    expected[True] |= {(b, middle, d), (d, middle, b)}
                if middle <= b - gap or middle >= d + gap:
                    expected[False] |= {(b, middle, d), (d, middle, b)}
    for answer in (True, False):
        assert {tuple(row) for row in times[ordered == answer].tolist()} == expected[answer]


def test_a_quarter_is_in_order_and_only_the_middle_frame_reveals_it():
    times, ordered = drawn(6000)
    assert abs(ordered.mean() - 0.25) < 0.02
    ends = times[:, [0, 2]]
    for answer in (1, 0):
        rows = ends[ordered == answer]
        shares = {e: k / len(rows) for e, k in Counter(map(tuple, rows.tolist())).items()}
        overall = {e: k / len(ends) for e, k in Counter(map(tuple, ends.tolist())).items()}
        assert max(abs(shares.get(e, 0) - share) for e, share in overall.items()) < 0.03
    before = times[ordered == 0][:, 1] < ends[ordered == 0].min(axis=1)
    assert abs(before.mean() - 0.5) < 0.03
    assert abs((ends[:, 0] < ends[:, 1]).mean() - 0.5) < 0.03


def test_frames_of_a_tuple_are_flipped_and_shifted_together():
    frame = np.random.default_rng(0).integers(1, 255, (6, 6, 1)).astype(np.uint8)
    still = {"video": np.broadcast_to(frame, (60, len(TIMES), 6, 6, 1))}
    tuples = jax.jit(make(shift=1)[0].views)(jax.random.key(0), still)["frames"]
    tuples = np.asarray(tuples * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(tuples[0], tuples[1])
    np.testing.assert_array_equal(tuples[0], tuples[2])
    padded = np.pad(frame, ((1, 1), (1, 1), (0, 0)))
    expected = {
        np.ascontiguousarray(shifted[top : top + 6, left : left + 6]).tobytes()
        for shifted in (padded, padded[:, ::-1])
        for top in range(3)
        for left in range(3)
    }
    drawn_pictures = {picture.tobytes() for picture in tuples[0]}
    assert drawn_pictures <= expected
    assert len(drawn_pictures) > 12


def test_patches_are_those_of_the_first_the_middle_and_the_last_frame(started):
    method, config, batch, params, stats = started
    found = jax.jit(method.embed)(params, stats, batch)["patches"]
    tower = from_module(lambda rngs: backbones.make(config, rngs))
    run = jax.jit(lambda x: tower.apply(params["tower"], stats["tower"], x, train=False)[0])
    frames = [batch["video"][:, i] for i in (0, tiny.FRAMES // 2, tiny.FRAMES - 1)]
    each = [run(((x / 255 - 0.25) / 0.2).astype(np.float32))["patches"] for x in frames]
    np.testing.assert_allclose(found, np.concatenate(each, axis=1), rtol=1e-4, atol=1e-5)


def test_loss_is_the_cross_entropy_of_the_order(started):
    method, config, batch, params, stats = started
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, (_, metrics) = jax.jit(method.loss)(
        params, stats, views, jax.random.key(2), jnp.int32(0)
    )
    tower = from_module(lambda rngs: backbones.make(config, rngs))
    joined = np.concatenate(list((np.asarray(views["frames"]) - 0.25) / 0.2))
    layers, _ = jax.jit(lambda x: tower.apply(params["tower"], stats["tower"], x, train=True))(
        joined.astype(np.float32)
    )
    features = np.split(np.asarray(layers["features"], np.float64), 3)
    head = jax.tree.map(lambda x: np.asarray(x, np.float64), params["head"])
    mean = sum(features) / 3
    hidden = np.concatenate([x - mean for x in features], axis=1) @ head["hidden"]["0"]["kernel"]
    hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
    hidden = np.maximum(hidden * head["norms"]["0"]["scale"] + head["norms"]["0"]["bias"], 0)
    logits = (hidden @ head["last"]["kernel"] + head["last"]["bias"])[:, 0]
    total, correct = 0.0, 0
    for logit, ordered in zip(logits, np.asarray(views["ordered"][0]), strict=True):
        p = 1 / (1 + np.exp(-logit))
        total -= np.log(p if ordered else 1 - p)
        correct += (p > 0.5) == bool(ordered)
    np.testing.assert_allclose(value, total / tiny.BATCH, rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], correct / tiny.BATCH, rtol=1e-6)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    np.testing.assert_allclose(metrics["chance_loss"], entropy, rtol=1e-6)


class Oracle(nnx.Module):
    """Reads the order off numbered frames; its logits are centered on the log odds of a quarter."""

    def __init__(self, *_):
        self.confidence = nnx.Param(jnp.zeros(()))

    def __call__(self, frames, *, train):
        first, middle, last = jnp.moveaxis(frames.mean((2, 3, 4)), 1, 0)
        between = (middle - first) * (last - middle) > 0
        return {"logit": (np.log(1 / 3) + self.confidence * jnp.where(between, 1, -1))[:, None]}


def test_score_averages_a_tuple_in_order_and_one_out_of_order(monkeypatch):
    monkeypatch.setattr(frame_order, "Verifier", Oracle)
    score = jax.jit(make()[0].score)
    for confidence, expected in ((0.2, 1.0), (0.0, 0.5), (-0.2, 0.0)):
        params = {"confidence": jnp.float32(confidence)}
        scores = score(params, {}, numbered(30), jax.random.key(0))
        np.testing.assert_array_equal(scores["order_accuracy"], np.full(30, expected))


def test_pictures_are_the_frames_above_a_bar_of_the_probability(monkeypatch):
    monkeypatch.setattr(frame_order, "Verifier", Oracle)
    params = {"confidence": jnp.float32(np.log(0.73 / 0.27))}
    show = jax.jit(
        lambda batch: list(make()[0].show(params, {}, batch, jax.random.key(0)).values())
    )
    for pictures, ordered, filled in zip(show(numbered(5)), (True, False), (9, 4), strict=True):
        pictures = np.asarray(pictures)  # the bar has 12 columns
        assert pictures.shape == (5, 6, 12, 1)
        np.testing.assert_array_equal(pictures[:, 4:].sum(2), np.full((5, 2, 1), filled))
        first, middle, last = pictures[:, 0, ::4, 0].T
        np.testing.assert_array_equal((middle - first) * (last - middle) > 0, ordered)


def test_features_come_from_the_first_middle_and_last_frame(started):
    method, config, batch, params, stats = started
    embedded = jax.jit(method.embed)(params, stats, batch)
    tower = from_module(lambda rngs: backbones.make(config, rngs))
    frames = [(batch["video"][:, i].astype(np.float32) / 255 - 0.25) / 0.2 for i in (0, 3, 6)]
    layers, _ = jax.jit(lambda x: tower.apply(params["tower"], stats["tower"], x, train=False))(
        np.concatenate(frames)
    )
    for name, rows in layers.items():
        np.testing.assert_allclose(
            embedded[name], np.hstack(np.split(rows, 3)), rtol=1e-4, atol=1e-5
        )


def test_short_clips_and_data_without_clips_are_rejected():
    expected = "expected clips of at least 9 frames, for method.gap 3"
    assert one_line(make, gap=3) == f"data.frames: 7; {expected}"
    images = tiny.resolved(tiny.config(**BLOCK | {"gap": 3}), tiny.data())
    assert one_line(frame_order.make, images) == f"data.frames: None; {expected}"


def test_paper_preset_has_a_resnet18_tower_and_a_linear_head():
    config = recipe.get_config("paper")
    clip = {"modality": "video", "image_size": 224, "channels": 3, "frames": 120}
    config = settings.resolve(config, clip | {"mean": (0.5,) * 3, "std": (0.2,) * 3}, 9537, 1)
    method = frame_order.make(config)
    video = jax.ShapeDtypeStruct((2, 120, 224, 224, 3), np.uint8)
    params, _ = jax.eval_shape(lambda key: method.init(key, {"video": video}), jax.random.key(0))
    # He et al.: 11,689,512 with the classifier, 11,176,512 without
    assert parameter_count(params["tower"]) == 11_689_512 - 1000 * (512 + 1)
    assert parameter_count(params["head"]) == 3 * 512 + 1
