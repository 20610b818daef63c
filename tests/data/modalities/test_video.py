import jax
import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods
from ssl_jax.data.dataset import gather
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from tests import fake_runs, tiny
from tests.data.test_load import one_line

VIDEO = MODALITIES["video"]


@pytest.fixture(scope="module")
def data():
    return tiny.clips()


@pytest.fixture(scope="module")
def config(data):
    method = {"in_order": 0.25, "reach": 3, "gap": 1, "shift": 1, "hidden": ()}
    return tiny.resolved(tiny.config(name="frame_order", **method), data)


def test_an_example_has_the_shape_of_the_data(data, config):
    video = data.pretrain[0]["video"]
    assert batch_like(VIDEO.example(config.data), 5) == batch_like({"video": video}, 5)
    assert VIDEO.input_name == "raw pixels"


def test_clips_of_another_shape_or_type_are_refused_in_one_line(config):
    clips = np.zeros((3, tiny.FRAMES, tiny.SIDE, tiny.SIDE, 1), np.uint8)
    assert len(VIDEO.read(clips, config.data, {})) == 3
    for wrong in (clips[:, 1:], clips[..., 0], clips[:0], clips.astype(np.float32), clips[0]):
        message = one_line(VIDEO.read, wrong, config.data, {})
        assert message.startswith(f"clips: {wrong.dtype} [")
        assert message.endswith("; expected uint8 ['n', 7, 8, 8, 1]")


def test_a_loaded_run_embeds_clips_of_a_user(data, config, tmp_path):
    method = methods.make(config)
    state = fake_runs.initial_state(method, config, data)
    fake_runs.write_checkpoint(tmp_path / "run", config, state, {})
    run = ssl_jax.load(tmp_path / "run")
    clips = gather(data.test, np.arange(16))["video"]
    expected = jax.jit(method.embed)(state.params, state.extra, {"video": clips})["features"]
    np.testing.assert_allclose(run.embed(clips), expected, rtol=1e-4, atol=1e-5)
    message = one_line(run.embed, clips[0])
    assert message.startswith("clips: ")
