"""The journal writes rows one step late, drops later ones on resuming, ends a diverged run."""

import errno
import json
import os
import struct
import threading

import jax.numpy as jnp
import pytest
from tensorboardX.proto.event_pb2 import Event

from ssl_jax import output
from ssl_jax.errors import InputError
from ssl_jax.train import board
from ssl_jax.train.metrics import FILE, Journal, read


def rows(tmp_path):
    return [row["step"] for row in read(tmp_path)]


def test_a_row_is_written_when_the_next_is_added_and_the_last_on_close(tmp_path):
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


def test_resuming_drops_the_rows_of_repeated_steps_and_a_torn_line(tmp_path):
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


def test_fewer_consecutive_rows_that_are_not_finite_do_not_end_the_run(tmp_path):
    journal = Journal(tmp_path, 0, 8, lambda *_: None)
    for step in range(1, 12):
        journal.add(step, {"loss": jnp.float32("nan" if step % 5 else 1.0)}, 0.0)
    journal.close()
    assert rows(tmp_path) == list(range(1, 12))


def events(tmp_path):
    """Reads events as TensorBoard does: each is a length, a checksum, a record and a checksum."""
    (path,) = tmp_path.glob("events.*")
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_tensorboard_gets_every_value_and_drops_later_steps_of_earlier_starts(tmp_path):
    journal = Journal(tmp_path, 4, 8, lambda *_: None)
    journal.add(6, {"loss": jnp.float32(2.0), "rank": jnp.float32(3.0)}, 0.25)
    journal.close()
    version, start, *rows = events(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (5, 1)
    values = {event.summary.value[0].tag: event.summary.value[0].simple_value for event in rows}
    assert values.items() >= {"loss": 2.0, "rank": 3.0, "input_wait": 0.25}.items()
    assert {event.step for event in rows} == {6}


def test_everything_is_written_in_the_caller_s_thread(tmp_path):
    """If a writer's thread died on a full disk, others would wait for its queue forever."""
    before = threading.active_count()
    journal = Journal(tmp_path, 0, 8, lambda *_: None)
    for step in range(30):
        journal.add(step, {"loss": jnp.float32(1.0)}, 0.0)
    assert threading.active_count() == before
    journal.close()


def test_a_full_disk_loses_no_rows_on_resuming(tmp_path, monkeypatch):
    line = json.dumps({"step": 2, "loss": 1.0}) + "\n"
    (tmp_path / FILE).write_text(line)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(output.os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        Journal(tmp_path, 2, 8, lambda *_: None)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(FILE, line)]


@pytest.mark.parametrize("name", [FILE, "events"])
def test_a_full_disk_ends_the_run_with_one_line(tmp_path, monkeypatch, name):
    journal = Journal(tmp_path, 0, 8, lambda *_: None)
    monkeypatch.setattr(board, "_SECONDS_BETWEEN_FLUSHES", 0.0)
    files = journal._files
    file = files._rows if name == FILE else files._board._records._writer
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.fileno())
    os.close(full)
    journal.add(1, {"loss": jnp.float32(1.0)}, 0.0)
    with pytest.raises(InputError) as caught:
        journal.add(2, {"loss": jnp.float32(1.0)}, 0.0)
    assert str(caught.value) == f"{tmp_path}: cannot be written: No space left on device"
    with pytest.raises(InputError, match="No space left on device"):
        journal.close()
