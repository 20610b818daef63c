"""The journal: rows one behind, later rows dropped on resume, a diverged run ended."""

import json

import jax.numpy as jnp
import pytest

from ssl_jax.errors import InputError
from ssl_jax.train.metrics import FILE, Journal, read


def rows(tmp_path):
    return [row["step"] for row in read(tmp_path)]


def test_a_row_is_written_when_the_next_comes_and_the_last_at_the_end(tmp_path):
    shown = []
    journal = Journal(tmp_path, 0, 8, lambda *args: shown.append(args))
    journal.add(2, {"loss": jnp.float32(1.5)}, 0.25)
    assert rows(tmp_path) == []
    journal.add(4, {"loss": jnp.float32(0.5)}, 0.0)
    assert rows(tmp_path) == [2]
    journal.close()
    assert rows(tmp_path) == [2, 4]
    assert [(step, loss, wait) for step, loss, _, wait in shown] == [(2, 1.5, 0.25), (4, 0.5, 0.0)]
    first = read(tmp_path)[0]
    assert first["loss"] == 1.5
    assert first["examples_per_second"] > 0
    assert first["input_wait"] == 0.25
    assert list(tmp_path.glob("events.*"))


def test_resuming_drops_rows_of_steps_to_be_made_again_and_a_torn_line(tmp_path):
    lines = [json.dumps({"step": step, "loss": 1.0}) for step in (2, 4, 6)]
    (tmp_path / FILE).write_text("\n".join(lines) + '\n{"step": 8, "lo')
    journal = Journal(tmp_path, 4, 8, lambda *_: None)
    journal.add(6, {"loss": jnp.float32(2.0)}, 0.0)
    journal.close()
    assert [(row["step"], row["loss"]) for row in read(tmp_path)] == [(2, 1.0), (4, 1.0), (6, 2.0)]


def test_five_rows_that_are_not_finite_end_the_run(tmp_path):
    journal = Journal(tmp_path, 0, 8, lambda *_: None)
    for step in range(1, 6):
        journal.add(step, {"loss": jnp.float32("nan")}, 0.0)
    with pytest.raises(InputError, match=r"^optimizer.learning_rate: the loss is nan at step 5"):
        journal.add(6, {"loss": jnp.float32(1.0)}, 0.0)
    journal.close()


def test_a_single_bad_row_does_not(tmp_path):
    journal = Journal(tmp_path, 0, 8, lambda *_: None)
    for step in range(1, 12):
        journal.add(step, {"loss": jnp.float32("nan" if step % 5 else 1.0)}, 0.0)
    journal.close()
    assert rows(tmp_path) == list(range(1, 12))
