"""Clips in the evaluation: how a user's are read, their baseline, and what the page shows."""

from contextlib import closing

import jax
import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import MODALITIES, Look
from ssl_jax.report.run_page import make_page
from ssl_jax.evaluation.report import Neighbors, Pictures
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import create
from ssl_jax.runs.workdir import CHECKPOINTS, make_workdir
from tests import tiny
from tests.data.test_load import one_line

VIDEO = MODALITIES["video"]


@pytest.fixture(scope="module")
def data():
    return tiny.clips()


@pytest.fixture(scope="module")
def config(data):
    method = {"in_order": 0.25, "reach": 3, "gap": 1, "shift": 1, "hidden": ()}
    return tiny.resolved(tiny.config(name="frame_order", **method), data)


@pytest.fixture(scope="module")
def method(config):
    return methods.make(config)


@pytest.fixture(scope="module")
def state(data, config, method):
    batch = gather(data.pretrain, np.arange(2))
    return jax.jit(lambda key: create(method, optim.make(config), key, batch))(jax.random.key(0))


def test_clips_of_another_shape_or_type_are_refused_in_one_line(config):
    clips = np.zeros((3, tiny.FRAMES, tiny.SIDE, tiny.SIDE, 1), np.uint8)
    assert len(VIDEO.read(clips, config.data, {})) == 3
    for wrong in (clips[:, 1:], clips[..., 0], clips[:0], clips.astype(np.float32), clips[0]):
        message = one_line(VIDEO.read, wrong, config.data, {})
        assert message.startswith(f"clips: {wrong.dtype} [")
        assert message.endswith("; expected uint8 ['n', 7, 8, 8, 1]")


def test_the_baseline_is_pixels_of_the_first_the_middle_and_the_last_frame(data, config):
    batch = gather(data.test, np.arange(5))
    found = VIDEO.raw_input(config.data)(batch)
    for row, clip in zip(np.asarray(found), batch["video"], strict=True):
        frames = [clip[i].astype(np.float64).ravel() / 255 for i in (0, 3, 6)]
        np.testing.assert_allclose(row, np.concatenate(frames), rtol=1e-6)


def test_a_run_taken_up_again_embeds_a_user_s_clips(data, config, method, state, tmp_path):
    make_workdir(tmp_path / "run", config, {})
    with closing(Checkpoints(tmp_path / "run" / CHECKPOINTS)) as checkpoints:
        checkpoints.save(1, state)
    run = ssl_jax.load(tmp_path / "run")
    clips = gather(data.test, np.arange(16))["video"]
    expected = jax.jit(method.embed)(state.params, state.extra, {"video": clips})["features"]
    np.testing.assert_allclose(run.embed(clips), expected, rtol=1e-4, atol=1e-5)
    message = one_line(run.embed, clips[0])
    assert message.startswith("clips: ")


def test_the_page_shows_views_what_is_made_of_clips_and_neighbors(data, config, method, state):
    rng = np.random.default_rng(0)
    train, test = (
        Extracted(rng.normal(size=(len(s), 6)).astype(np.float32), s.labels)
        for s in (data.train, data.test)
    )
    findings = Findings({"rankme": 3.0, "features": 6}, train, test, test.y, data.train)
    look = Look(method, state.params, state.extra, data, config, findings, jax.random.key(0))
    page = make_page(look, [], {})
    assert page.input_name == "raw pixels"
    views, made, near = page.sections
    assert isinstance(views, Pictures)
    assert [name for name, _ in views.rows] == ["view 1", "view 2", "view 3"]
    assert {rows.shape for _, rows in views.rows} == {(12, tiny.SIDE, tiny.SIDE, 1)}
    assert isinstance(made, Pictures)
    assert [rows.shape for _, rows in made.rows] == [(12, tiny.SIDE + 2, 3 * tiny.SIDE, 1)] * 2
    assert isinstance(near, Neighbors)
    middles = {clip[3].tobytes() for clip in data.test.columns["video"]}
    assert {query.tobytes() for query in near.queries} <= middles
