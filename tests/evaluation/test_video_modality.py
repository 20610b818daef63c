"""Clips in the evaluation: how a user's are read, their baseline, and what the page shows."""

import json

import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods, train
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation import report
from ssl_jax.evaluation.modalities import MODALITIES
from ssl_jax.evaluation.report import Neighbours, Pictures
from tests import tiny
from tests.data.test_load import one_line

VIDEO = MODALITIES["video"]


@pytest.fixture(scope="module")
def data():
    return tiny.clips()


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run, its folder and its page."""
    config = tiny.config(name="frame_order", in_order=0.25, reach=3, gap=1, shift=1, head=(8,))
    config.train.steps = 2
    config = tiny.resolved(config, data)
    workdir = tmp_path_factory.mktemp("video") / "run"
    pages = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", lambda path, page: pages.append(page))
        done = train.fit(methods.make(config), data, config, workdir=workdir)
    return done, workdir, pages[0]


def test_clips_of_another_shape_or_type_are_refused_in_one_line(run):
    config = run[0].config.data
    clips = np.zeros((3, tiny.FRAMES, tiny.SIDE, tiny.SIDE, 1), np.uint8)
    assert len(VIDEO.read(clips, config, {})) == 3
    for wrong in (clips[:, 1:], clips[..., 0], clips[:0], clips.astype(np.float32), clips[0]):
        message = one_line(VIDEO.read, wrong, config, {})
        assert message.startswith(f"clips: {wrong.dtype} [")
        assert message.endswith("; expected uint8 ['n', 7, 8, 8, 1]")


def test_the_baseline_is_pixels_of_the_first_the_middle_and_the_last_frame(data, run):
    batch = gather(data.test, np.arange(5))
    found = VIDEO.raw_input(run[0].config.data)(batch)
    for row, clip in zip(np.asarray(found), batch["video"], strict=True):
        frames = [clip[i].astype(np.float64).ravel() / 255 for i in (0, 3, 6)]
        np.testing.assert_allclose(row, np.concatenate(frames), rtol=1e-6)


def test_a_run_taken_up_again_embeds_a_user_s_clips(data, run):
    clips = gather(data.test, np.arange(10))["video"]
    embedded = ssl_jax.load(run[1]).embed(clips)
    assert embedded.shape[0] == 10
    np.testing.assert_array_equal(embedded, run[0].embed(clips))
    reversed_rows = run[0].embed(clips[::-1])
    np.testing.assert_allclose(reversed_rows[::-1], embedded, rtol=1e-4, atol=1e-5)
    assert not np.allclose(run[0].embed(clips[:, ::-1]), embedded, rtol=1e-2)


def test_labels_of_both_kinds_and_the_method_s_own_score_are_written(run):
    values = json.loads((run[1] / "evaluation.json").read_text())
    for prefix in ("", "motion_"):
        for baseline in ("", "random_init_", "input_"):
            assert 0 <= values[f"{baseline}{prefix}knn_top1"] <= 1
    assert 0 <= values["test_order_accuracy"] <= 1


def test_the_page_shows_tuples_answers_and_neighbours(data, run):
    views, made, near = run[2].sections
    assert isinstance(views, Pictures)
    assert [name for name, _ in views.rows] == ["view 1", "view 2", "view 3"]
    assert views.rows[0][1].shape == (12, tiny.SIDE, tiny.SIDE, 1)
    assert isinstance(made, Pictures)
    assert [rows.shape for _, rows in made.rows] == [(12, tiny.SIDE + 2, 3 * tiny.SIDE, 1)] * 2
    assert isinstance(near, Neighbours)
    middles = {clip[3].tobytes() for clip in gather(data.test, np.arange(24))["video"]}
    assert {query.tobytes() for query in near.queries} <= middles
