"""Benchmarks: medians in turn, ratios the right way round, rows as JSON."""

import json
import time

import jax.numpy as jnp
import pytest

from experiments.benchmarks import losses, race, report
from ssl_jax.errors import InputError


@pytest.fixture
def clock(monkeypatch):
    """A clock that contestants move on; nobody sleeps."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return now


def contestant(name, clock, seconds):
    seconds = iter(seconds)

    def call():
        clock[0] += next(seconds)

    return race.Contestant(name, call)


def test_medians_without_the_first_round(clock):
    ours = contestant("ours", clock, [9, 2, 4, 3])
    peer = contestant("peer", clock, [5, 6, 6, 9])
    (row,) = race.compare("work", "float32", ours, [peer], rounds=3)
    assert (row["ours"], row["peer"], row["ratio"]) == (3, 6, 2)


def test_what_takes_minutes_gets_fewer_rounds(clock):
    slow = contestant("slow", clock, [1, 100])  # a third call would be one too many
    assert race.race([slow], rounds=5) == [100]


def test_a_jitted_contestant_knows_its_temporaries():
    x = jnp.ones((256, 256))
    entry = race.jitted("products", lambda x: (x @ x) @ x, x)
    assert (entry.call() == 256.0**2).all()
    assert entry.megabytes >= 0.25


def test_rows_are_printed_and_saved(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(losses, "SIZES", (8,))
    report.show("losses", losses.rows, str(tmp_path / "rows.json"))
    saved = json.loads((tmp_path / "rows.json").read_text())
    works = {(row["work"], row["peer_name"]) for row in saved["rows"]}
    expected = {(f"{name} n=8", "all at once") for name in losses.NAMES}
    assert works >= expected | {("nt_xent n=8", "optax")}
    for row in saved["rows"]:
        assert row["ratio"] == row["peer"] / row["ours"]
    assert {"cpu", "Python", "jax", "optax", "date"} <= set(saved["machine"])
    assert "ratio" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        report.show("losses", lambda: 1 / 0, str(tmp_path / "nowhere" / "rows.json"))
