"""Clips show the motion of their label, and a single frame does not reveal it."""

import itertools
import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from ssl_jax import data
from ssl_jax.data import statistics
from ssl_jax.data.dataset import gather, labels_of
from ssl_jax.data.fashion_mnist import read_mini
from ssl_jax.data.moving_fashion import FRAMES, MOTIONS, SIZE, Clips, deal, render
from tests.data.test_load import one_line
from tests.data.test_pipeline import first

MOVING = {"name": "moving_fashion"}
TROUSER = 1


@pytest.fixture(scope="module")
def moving():
    return data.load(MOVING)


@pytest.fixture(scope="module")
def clips(moving):
    return moving.test.take(np.arange(len(moving.test)))


def frames_of(clips, *motions):
    """Returns the frames of the clips with one of these motions, float [n, f, h, w]."""
    numbers = [MOTIONS.index(motion) for motion in motions]
    return clips["video"][np.isin(clips["motion"], numbers), ..., 0].astype(float)


def moments(frames):
    """Returns mass, centroid (x, y) and second central moments (xx, yy, xy), each [n, f]."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    mass = frames.sum((2, 3))

    def mean(values):
        return (frames * values).sum((2, 3)) / mass

    cx, cy = mean(x), mean(y)
    return mass, (cx, cy), (mean(x * x) - cx**2, mean(y * y) - cy**2, mean(x * y) - cx * cy)


def test_loaded_examples_and_facts(moving):
    assert (len(moving.train), len(moving.test)) == (10_000, 2_000)
    assert moving.pretrain is moving.train
    example = moving.train[17]
    assert {name: (value.dtype, value.shape) for name, value in example.items()} == {
        "video": (np.uint8, (8, 40, 40, 1)),
        "label": (np.int32, ()),
        "motion": (np.int32, ()),
    }
    assert moving.label_names[9] == "Ankle boot"
    assert moving.further_labels == {"motion": MOTIONS}
    shape = {"modality": "video", "image_size": 40, "channels": 1, "frames": 8}
    assert moving.facts == {**shape, "mean": (0.0696,), "std": (0.2070,)}
    assert data.load({"name": "fashion_mnist_mini"}).further_labels == {}


def test_statistics_match_the_clips(moving):
    measured = statistics.measure(moving.train, 1000, column="video")
    np.testing.assert_allclose(measured, statistics.MOVING_FASHION, rtol=0.03)


def test_each_split_is_rendered_from_its_own_images(moving):
    arrays = read_mini()
    for split, source in (("train", moving.train), ("test", moving.test)):
        assert np.array_equal(labels_of(source), arrays[f"{split}_labels"])
        for index in (0, 1234):
            video = render(arrays[f"{split}_images"][[index]], source.states[[index]])[0]
            assert np.array_equal(source[index]["video"], video)


def test_a_clip_is_the_same_however_often_it_is_read(moving):
    again = data.load({**MOVING, "cache_mib": 0})
    shuffled = np.array([900, 3, 411, 3, 1999])
    for dataset in (moving, again, moving):
        batch = gather(dataset.test, shuffled)
        for row, index in enumerate(shuffled):
            example = dataset.test[index]
            assert set(batch) == set(example)
            assert all(np.array_equal(batch[name][row], example[name]) for name in batch)
    for name, column in gather(moving.train, shuffled).items():
        assert np.array_equal(column, gather(again.train, shuffled)[name])


def test_overwriting_a_batch_does_not_change_the_source():
    source = Clips(np.full((4, 28, 28), 200, np.uint8), np.zeros(4, int), seed=1)
    source.take(np.arange(4))["video"][:] = 7
    source[2]["video"][:] = 7
    assert source[2]["video"].max() == 200


def test_paths_depend_on_the_index_and_the_seed():
    pictures, labels = np.full((40, 28, 28), 200, np.uint8), np.arange(40)
    states = [
        Clips(pictures[:n], labels[:n], seed).states for n, seed in ((40, 1), (9, 1), (40, 2))
    ]
    assert np.array_equal(states[0][:8], states[1][:8])
    assert not np.isclose(states[0], states[2]).all((1, 2)).any()


def test_clips_differ(clips):
    assert len({video.tobytes() for video in clips["video"]}) == 2000


def test_images_are_rendered_at_the_given_position_angle_and_size():
    picture = np.random.default_rng(0).integers(1, 256, (28, 28), np.uint8)
    states = np.array([[0, 0, 0, 0], [3, -2, 0, 0], [0, 0, np.pi / 2, 0], [0, 0, 0, -np.log(2)]])
    still, shifted, rotated, halved = render(picture[None], states[None])[0, ..., 0]
    assert np.array_equal(still, np.pad(picture, 6))
    assert np.array_equal(shifted, np.roll(still, (-2, 3), (0, 1)))
    np.testing.assert_allclose(rotated.astype(int), np.rot90(still, -1), atol=1)
    blocks = picture.reshape(14, 2, 14, 2).mean((1, 3))
    np.testing.assert_allclose(halved[13:27, 13:27], blocks, atol=1)
    assert halved.sum(dtype=int) == halved[13:27, 13:27].sum(dtype=int)


def test_pixels_at_the_border_of_an_image_move_smoothly():
    picture = np.full((1, 28, 28), 200, np.uint8)
    row = render(picture, np.array([[[0.25, 0, 0, 0]]]))[0, 0, 20, :, 0]
    assert row[[5, 6, 7, 33, 34, 35]].tolist() == [0, 150, 200, 200, 50, 0]


@pytest.mark.parametrize(
    ("motion", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)]
)
def test_shifts_move_the_centroid_in_one_direction(clips, motion, axis, sign):
    mass, centroids, _ = moments(frames_of(clips, motion))
    assert (sign * np.diff(centroids[axis]) > 0.1).all()
    distance = sign * (centroids[axis][:, -1] - centroids[axis][:, 0])
    assert ((distance > 3) & (distance < 7.1)).all()
    assert (np.ptp(centroids[1 - axis], axis=1) < 1).all()
    assert (np.ptp(mass, axis=1) < 0.15 * mass.mean(1)).all()


@pytest.mark.parametrize(("motion", "sign"), [("growing", 1), ("shrinking", -1)])
def test_growing_and_shrinking_change_the_number_of_lit_pixels_in_place(clips, motion, sign):
    frames = frames_of(clips, motion)
    mass, centroids, _ = moments(frames)
    assert (sign * np.diff(mass) > 0).all()
    lit = (frames > 0).sum((2, 3))
    assert (sign * (lit[:, -1] - lit[:, 0]) > 0).all()
    assert max(np.ptp(centroid, axis=1).max() for centroid in centroids) < 1.5


@pytest.mark.parametrize(("motion", "sign"), [("clockwise", 1), ("counter-clockwise", -1)])
def test_rotation_rotates_the_long_axis_and_keeps_mass_and_extent(clips, motion, sign):
    trousers = {name: column[clips["label"] == TROUSER] for name, column in clips.items()}
    mass, _, (xx, yy, xy) = moments(frames_of(trousers, motion))
    axis = np.arctan2(2 * xy, xx - yy) / 2  # clockwise, since y points down
    steps = (np.diff(axis) + np.pi / 2) % np.pi - np.pi / 2
    assert (sign * steps > 0).all()
    angle = np.degrees(sign * steps.sum(1))
    assert ((angle > 40) & (angle < 140)).all()
    for constant in (mass, xx + yy):
        assert (np.ptp(constant, axis=1) < 0.15 * constant.mean(1)).all()


def test_speed_changes_within_a_clip(moving):
    x = moving.train.states[moving.train.motions == MOTIONS.index("right"), :, 0]
    speeds = np.diff(x)
    assert 0.4 < np.mean(speeds[:, -1] > speeds[:, 0]) < 0.6
    assert np.quantile(speeds.max(1) / speeds.min(1), 0.9) > 1.5


def test_garments_stay_visible(moving, clips):
    area = np.exp(2 * moving.test.states[..., 3])
    full_mass = moving.test.pictures.sum((1, 2))[:, None] * area
    visible = clips["video"].sum((2, 3, 4)) / full_mass
    assert visible.min() > 0.85
    assert np.quantile(visible, 0.05) > 0.97


@pytest.mark.parametrize(("split", "per_pair"), [("train", 125), ("test", 25)])
def test_garment_and_motion_are_independent(moving, split, per_pair):
    source = getattr(moving, split)
    pairs = np.bincount(source.labels * len(MOTIONS) + source.motions)
    assert pairs.tolist() == [per_pair] * 10 * len(MOTIONS)
    neighbors = np.bincount(source.motions[:-1] * len(MOTIONS) + source.motions[1:])
    mean = len(source) / len(MOTIONS) ** 2
    assert (np.abs(neighbors - mean) < 5 * np.sqrt(mean)).all()  # the order looks random


def test_motions_are_balanced_within_classes_of_different_sizes():
    labels = np.repeat([0, 1, 2], [21, 3, 10])
    motions = deal(labels, np.random.default_rng(0).random(34))
    for label in range(3):
        counts = np.bincount(motions[labels == label], minlength=len(MOTIONS))
        assert np.ptp(counts) <= 1


def test_states_in_a_random_frame_do_not_depend_on_the_motion(moving):
    source = moving.train
    drawn = np.random.default_rng(0).integers(0, FRAMES, len(source))
    states = source.states[np.arange(len(source)), drawn]
    states[:, 2] %= 2 * np.pi
    for motion, quantity in itertools.product(range(len(MOTIONS)), range(4)):
        own = source.motions == motion
        assert ks_2samp(states[own, quantity], states[~own, quantity]).pvalue > 1e-3


def test_moments_of_a_random_frame_do_not_depend_on_the_motion(clips):
    drawn = np.random.default_rng(0).integers(0, FRAMES, 2000)
    frames = clips["video"][np.arange(2000), drawn, ..., 0].astype(float)[:, None]
    mass, centroid, seconds = moments(frames)
    for statistic in (mass, *centroid, *seconds):
        deviations = (statistic[:, 0] - statistic.mean()) / statistic.std()
        for motion in range(len(MOTIONS)):
            own = deviations[clips["motion"] == motion]
            assert abs(own.mean()) < 3.5 / np.sqrt(len(own))


@pytest.mark.parametrize("backward", range(0, len(MOTIONS), 2))
def test_each_motion_is_the_opposite_one_in_reverse(moving, backward):
    quantity = backward // 2
    paths = [
        moving.train.states[moving.train.motions == m, :, quantity]
        for m in (backward, backward + 1)
    ]
    for one, other in zip(paths[0][:, ::-1].T, paths[1].T, strict=True):
        assert ks_2samp(one, other).pvalue > 1e-3
    steps = [np.abs(np.diff(path)) for path in paths]
    for one, other in zip(steps[0][:, ::-1].T, steps[1].T, strict=True):
        assert ks_2samp(one, other).pvalue > 1e-3


def test_holdout_takes_training_clips(moving):
    held = data.load({**MOVING, "holdout": 400})
    assert np.bincount(held.test.labels).tolist() == [40] * 10
    assert held.pretrain is held.train
    assert sorted([*held.train.indices, *held.test.indices]) == list(range(10_000))
    clip = moving.train[held.test.indices[7]]
    assert all(np.array_equal(held.test[7][name], clip[name]) for name in clip)
    assert held.further_labels == moving.further_labels


def test_loading_with_stored_facts_gives_the_same_data(moving):
    stored = json.loads(json.dumps({**MOVING, **moving.facts}))
    again = data.load(stored)
    assert again.facts == moving.facts
    assert np.array_equal(again.test[5]["video"], moving.test[5]["video"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_size": 28},
            "data.image_size: 28 does not match the clips of moving_fashion; expected 40 or None",
        ),
        (
            {"channels": 3},
            "data.channels: 3 does not match the clips of moving_fashion; expected 1",
        ),
        ({"mean": (0.1, 0.2)}, "data.mean: (0.1, 0.2) has 2 numbers; expected 1"),
        ({"holdout": 10_000}, "data.holdout: 10000 leaves no training image"),
    ],
)
def test_settings_that_clips_do_not_support_are_refused(change, message):
    assert message in one_line(data.load, {**MOVING, **change})


def test_batches_of_clips_are_reproducible(moving):
    (one,), (again,) = (first(data.batches(moving.train, 16, seed=3), 1) for _ in range(2))
    assert one["video"].shape == (16, FRAMES, SIZE, SIZE, 1)
    assert all(np.array_equal(one[name], again[name]) for name in one)
