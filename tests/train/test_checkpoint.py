"""Checkpoints come back as they were, and what does not fit is named."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.errors import InputError
from ssl_jax.sharding import replicated
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import TrainState
from tests import tiny


def state(step: int) -> TrainState:
    params = {"layer": {"0": jnp.full((4, 2), step + 0.5)}, "b": jnp.ones(3, jnp.bfloat16)}
    return TrainState(jnp.int32(step), params, {"queue": jnp.arange(6)}, (jnp.zeros(()),))


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (1, 2, 3):
        checkpoints.save(step, state(step))
    checkpoints.close()
    return tmp_path / "checkpoints"


def test_the_last_two_are_kept_and_restored_bit_for_bit(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["2", "3"]
    checkpoints = Checkpoints(saved)
    assert checkpoints.latest() == 3
    for devices in (1, 8):
        sharding = replicated(tiny.mesh(devices))
        restored = checkpoints.restore(3, state(0), sharding)
        assert jax.tree.structure(restored) == jax.tree.structure(state(3))
        jax.tree.map(np.testing.assert_array_equal, restored, state(3))
        dtypes = jax.tree.map(lambda x: x.dtype, (restored, state(3)))
        assert dtypes[0] == dtypes[1]
        assert {len(x.devices()) for x in jax.tree.leaves(restored)} == {devices}
    checkpoints.close()


def test_nothing_saved_is_none_and_makes_no_folder(tmp_path):
    assert Checkpoints(tmp_path / "none").latest() is None
    assert not (tmp_path / "none").exists()


def test_an_empty_folder_of_a_later_step_does_not_count(saved):
    (saved / "9").mkdir()
    assert Checkpoints(saved).latest() == 3


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"layer": {"0": jnp.zeros((4, 3))}, "b": jnp.ones(3, jnp.bfloat16)}, r"float32\[4, 3\]"),
        ({"layer": {"0": jnp.zeros((4, 2))}, "b": jnp.ones(3)}, r"params/b is bfloat16\[3\] there"),
        ({"layer": {"0": jnp.zeros((4, 2))}}, "params/b .* absent expected"),
        (
            {"layer": {"0": jnp.zeros((4, 2)), "1": jnp.zeros(1)}, "b": jnp.ones(3, jnp.bfloat16)},
            "params/layer/1 is absent there",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_names_the_leaf(saved, change, culprit):
    checkpoints = Checkpoints(saved)
    with pytest.raises(InputError, match=culprit) as error:
        checkpoints.restore(3, state(0)._replace(params=change), replicated(tiny.mesh(1)))
    assert "\n" not in str(error.value)
    checkpoints.close()


def test_saving_copies_before_the_next_step_overwrites(tmp_path):
    bump = jax.jit(lambda x: x + 1, donate_argnums=0)
    checkpoints = Checkpoints(tmp_path / "c")
    x = jnp.zeros(1 << 20)
    checkpoints.save(1, {"x": x})
    for _ in range(5):
        x = bump(x)
    checkpoints.close()
    restored = Checkpoints(tmp_path / "c").restore(
        1, {"x": jax.ShapeDtypeStruct(x.shape, x.dtype)}, replicated(tiny.mesh(1))
    )
    np.testing.assert_array_equal(restored["x"], np.zeros(1 << 20))


def test_no_pickle_is_written(saved):
    for path in saved.rglob("*"):
        if path.is_file():
            assert path.read_bytes()[:2] != b"\x80\x04"
    assert json.loads((saved / "3" / "_CHECKPOINT_METADATA").read_text())
