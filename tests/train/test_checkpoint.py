"""Checkpoints are restored as they were saved; one that does not fit is refused."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.errors import InputError
from ssl_jax.train import checkpoint
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import TrainState
from tests import tiny


def state(step: int) -> TrainState:
    params = {"layer": {"0": jnp.full((4, 2), step + 0.5)}, "b": jnp.ones(3, jnp.bfloat16)}
    return TrainState(jnp.int32(step), params, {"queue": jnp.arange(6)}, (jnp.zeros(()),))


def restored_on(devices: int, checkpoints: Checkpoints, step: int, like: Any = None) -> Any:
    like = state(0) if like is None else like
    return checkpoints.restore(step, like, tiny.placement(devices).state(like))


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (1, 2, 3):
        checkpoints.save(step, state(step))
    checkpoints.close()
    return tmp_path / "checkpoints"


def test_the_last_two_checkpoints_are_kept_and_restored_bit_for_bit(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["2", "3"]
    checkpoints = Checkpoints(saved)
    assert checkpoints.latest() == 3
    for devices in (1, 8):
        restored = restored_on(devices, checkpoints, 3)
        assert jax.tree.structure(restored) == jax.tree.structure(state(3))
        jax.tree.map(np.testing.assert_array_equal, restored, state(3))
        dtypes = jax.tree.map(lambda x: x.dtype, (restored, state(3)))
        assert dtypes[0] == dtypes[1]
        assert {len(x.devices()) for x in jax.tree.leaves(restored)} == {devices}
    checkpoints.close()


def test_without_a_checkpoint_latest_is_none_and_makes_no_folder(tmp_path):
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
def test_a_checkpoint_that_does_not_fit_is_refused_by_the_name_of_the_leaf(saved, change, culprit):
    checkpoints = Checkpoints(saved)
    with pytest.raises(InputError, match=culprit) as error:
        restored_on(1, checkpoints, 3, state(0)._replace(params=change))
    assert "\n" not in str(error.value)
    checkpoints.close()


def test_a_save_copies_arrays_before_the_next_step_overwrites_them(tmp_path):
    bump = jax.jit(lambda x: x + 1, donate_argnums=0)
    checkpoints = Checkpoints(tmp_path / "c")
    x = jnp.zeros(1 << 20)
    checkpoints.save(1, {"x": x})
    for _ in range(5):
        x = bump(x)
    checkpoints.close()
    like = {"x": jax.ShapeDtypeStruct(x.shape, x.dtype)}
    restored = restored_on(1, Checkpoints(tmp_path / "c"), 1, like)
    np.testing.assert_array_equal(restored["x"], np.zeros(1 << 20))


def test_no_pickle_is_written(saved):
    for path in saved.rglob("*"):
        if path.is_file():
            assert path.read_bytes()[:2] != b"\x80\x04"
    assert json.loads((saved / "3" / "_CHECKPOINT_METADATA").read_text())


def held() -> tuple[int, int]:
    """File descriptors and threads of this process."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_saves_leak_neither_descriptors_nor_threads(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in range(1, 9):
        checkpoints.save(step, state(step))
    checkpoints.check(wait=True)
    before = held()
    for step in range(9, 29):
        checkpoints.save(step, state(step))
    checkpoints.check(wait=True)
    after = held()
    checkpoints.close()
    # orbax by itself leaks three descriptors and a thread per save
    assert after[0] - before[0] < 20
    assert after[1] - before[1] < 10


def test_reading_keeps_an_unfinished_save_and_the_next_save_removes_it(saved):
    unfinished = saved / "4.orbax-checkpoint-tmp"
    unfinished.mkdir()
    (unfinished / "part").write_text("half")
    reader = Checkpoints(saved)
    restored_on(1, reader, reader.latest())
    reader.close()
    assert (unfinished / "part").read_text() == "half"
    writer = Checkpoints(saved)
    writer.save(4, state(4))
    writer.close()
    assert sorted(path.name for path in saved.iterdir()) == ["3", "4"]


class Failing:
    """A save in the background that fails as tensorstore does."""

    def result(self):
        raise ValueError("RESOURCE_EXHAUSTED: Failed to write: No space left on device\nand more")


def test_a_save_that_fails_in_the_background_is_reported_at_the_next_check(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    monkeypatch.setattr(checkpoints, "_begin", lambda *_: Failing())
    checkpoints.save(5, state(5))
    end = time.monotonic() + 10
    while not checkpoints._saving.done() and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(InputError) as caught:
        checkpoints.check()
    assert str(caught.value) == (
        f"{tmp_path}/checkpoints/5: cannot be saved: "
        "RESOURCE_EXHAUSTED: Failed to write: No space left on device"
    )
    checkpoints.close()


def test_a_folder_that_cannot_be_made_fails_the_save_and_lets_the_process_end(tmp_path):
    """Orbax's threads, which wait for a folder made in the background, would keep it alive."""
    program = f"""
import errno, os, pathlib
import jax.numpy as jnp
from ssl_jax.train.checkpoint import Checkpoints
make = os.mkdir
def mkdir(path, *rest, **named):
    if "tmp" in pathlib.Path(path).name:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    return make(path, *rest, **named)
os.mkdir = mkdir
try:
    Checkpoints(pathlib.Path({str(tmp_path / "new")!r})).save(1, {{"a": jnp.ones(3)}})
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{tmp_path}/new/1: cannot be saved: Disk quota exceeded\n"


def test_a_save_that_cannot_be_read_back_is_an_error(tmp_path, monkeypatch):
    found = SimpleNamespace(metadata={"step": jnp.int32(0)})
    monkeypatch.setattr(checkpoint.ocp, "metadata", lambda path: found)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, state(1))
    with pytest.raises(InputError, match=r"1: was saved and cannot be read back: .* is absent"):
        checkpoints.close()


@pytest.mark.parametrize("name", ["study [2024]", "back\\slash", "a[\nb]", "**"])
def test_a_path_that_orbax_misreads_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="; checkpoints below such a path cannot be read back"):
        checkpoint.check_path(tmp_path / name / "run")


def test_a_url_and_a_path_that_is_not_utf8_are_refused(tmp_path):
    with pytest.raises(InputError, match="contains 'gs:/'"):
        checkpoint.check_path(Path("gs://bucket/run"))
    with pytest.raises(InputError, match="is not UTF-8"):
        checkpoint.check_path(tmp_path / "\udcff")


def test_checkpoints_below_other_odd_names_are_read_back(tmp_path):
    folder = tmp_path / "a b%20#?*" / "checkpoints"
    checkpoint.check_path(folder)
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, state(1))
    checkpoints.close()
    restored = restored_on(1, checkpoints, 1)
    jax.tree.map(np.testing.assert_array_equal, restored, state(1))
