"""Benchmarks: medians over rounds, ratios of the peer's time to ours, rows as JSON."""

import json
import os
import time

import jax.numpy as jnp
import pytest

from experiments.benchmarks import losses, race, report, scaling
from ssl_jax.errors import InputError


class Lanes:
    """A track without processes: each contestant gives its answers in order."""

    def __init__(self, **answers):
        self.answers = {name: iter(values) for name, values in answers.items()}

    def ask(self, name, message):
        if name not in self.answers:
            raise ImportError
        return 7.0 if message else next(self.answers[name])


def contestants(*names):
    return [race.Contestant(name, race.Work) for name in names]


def test_medians_leave_out_the_first_round():
    lanes = Lanes(ours=[9, 2, 4, 3], peer=[5, 6, 6, 9])
    (row,) = race.compare(lanes, "work", "float32", *_split("ours", "peer"), rounds=3)
    assert (row["ours"], row["peer"], row["ratio"]) == (3, 6, 2)


def _split(ours, *peers):
    return contestants(ours)[0], contestants(*peers)


def test_work_that_takes_minutes_gets_fewer_rounds(monkeypatch):
    now = iter([0, 1e9])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    lanes = Lanes(slow=[1, 100])  # a third round would be one too many
    assert race.race(lanes, contestants("slow"), rounds=5) == {"slow": (100, 7.0)}


def test_the_row_is_ours_alone_if_no_peer_is_installed():
    lanes = Lanes(ours=[1, 2])
    (row,) = race.compare(lanes, "work", "float32", *_split("ours", "absent"), rounds=1)
    assert (row["ours"], row["peer_name"], row["ratio"]) == (2, None, None)


def test_jitted_work_knows_the_size_of_its_temporaries():
    x = jnp.ones((256, 256))
    work = race.jitted(lambda x: (x @ x) @ x, x)
    assert (work.call() == 256.0**2).all()
    assert work.megabytes >= 0.25


def fails():
    raise ValueError("no")


def test_each_contestant_has_its_own_process_and_reports_its_errors():
    with race.track() as lanes:
        here = race.Contestant("a", pid)
        first, second = lanes.ask("a", here), lanes.ask("b", race.Contestant("b", pid))
        assert len({first, second, os.getpid()}) == 3
        assert lanes.ask("a", here) == first
        assert lanes.ask("a", None) >= 0.05
        with pytest.raises(ValueError, match="no"):
            lanes.ask("a", race.Contestant("a", fails))


def test_bfloat16_contestants_have_a_separate_process():
    field = [race.Contestant("a", race.Work), race.Contestant("a", race.Work, (), bfloat16=True)]
    assert [contestant.lane for contestant in field] == ["a", "a, bfloat16"]
    lanes = Lanes(**{"a, bfloat16": [9, 2]})
    assert race.race(lanes, field[1:], rounds=1) == {"a": (2, 7.0)}


def pid():
    return race.Work(lambda: time.sleep(0.05), float(os.getpid()))


def test_rows_are_printed_and_saved(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(losses, "SIZES", (8,))
    monkeypatch.setattr(losses, "NAMES", {"nt_xent": {"temperature": 0.5}})
    report.show("losses", losses.rows, str(tmp_path / "rows.json"))
    saved = json.loads((tmp_path / "rows.json").read_text())
    works = {(row["work"], row["peer_name"]) for row in saved["rows"]}
    expected = {(f"{name} n=8", "all at once") for name in losses.NAMES}
    assert works >= expected | {("nt_xent n=8", "optax")}
    for row in saved["rows"]:
        assert row["ratio"] == row["peer"] / row["ours"]
    assert {"cpu", "Python", "jax", "optax", "date"} <= set(saved["machine"])
    assert "ratio" in capsys.readouterr().out


def test_growth_has_the_fitted_exponents_and_a_column(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(scaling, "AXES", (("batch", (64, 128, 256), {}),))
    costs = {f"batch {64 * 2**k}": (1.0 * 4**k, 8.0 * 2**k) for k in range(3)}
    monkeypatch.setattr(scaling, "race", lambda *_, **__: costs)
    report.show("scaling", scaling.rows, str(tmp_path / "rows.json"))
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["ours"] for row in rows] == [1, 4, 16]
    assert {row["growth"] for row in rows} == {"time ^2.00, memory ^1.00"}
    assert "growth" in capsys.readouterr().out


def test_a_missing_output_folder_is_an_input_error_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        report.show("losses", lambda lanes: 1 / 0, str(tmp_path / "nowhere" / "rows.json"))


def test_short_work_is_repeated_within_a_turn():
    calls = []
    seconds = race._mean(lambda: calls.append(time.sleep(0.03)))
    assert len(calls) > 1
    assert seconds * len(calls) >= race._TURN
