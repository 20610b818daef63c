"""Several processes train one run: all save checkpoints, the main one prints and writes."""

import json
import os
import shutil
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ssl_jax
from ssl_jax.placement import Placement
from ssl_jax.train.metrics import FILE, read
from tests import tiny
from tests.runs import own

ROOT = Path(__file__).parents[2]
CLOCKS = {"examples_per_second", "input_wait"}


@pytest.fixture
def training_only(monkeypatch):
    monkeypatch.setattr(import_module("ssl_jax.runs.fit"), "evaluate_run", lambda *_: None)


def rows(workdir):
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in read(workdir)]


def test_a_process_other_than_the_main_one_writes_only_checkpoints(
    tmp_path, monkeypatch, training_only, capsys
):
    monkeypatch.setattr(Placement, "is_main", property(lambda self: False))
    data = tiny.data()._replace(unreadable={"broken.png": "is empty"}, assets={"words.json": "[]"})
    run = ssl_jax.fit(own.denoiser, data, own.config(), workdir=tmp_path / "run")
    assert run.step == 4
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoints"]
    assert capsys.readouterr().out == ""


def train(workdir: Path, processes: int) -> list[str]:
    """Runs some processes to their end; returns what each one printed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-m", "tests.runs.worker", str(workdir), str(port)]
    started = [
        subprocess.Popen(
            [*command, str(index), str(processes)],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(processes)
    ]
    try:
        printed = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == processes * [0], "\n".join(printed)
    return printed


@pytest.mark.slow
def test_two_processes_train_and_resume_like_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert "trained in" in train(one, 1)[0]
    main, other = train(two, 2)
    assert "step 4/4" in main
    assert "step" not in other.replace("ended at step 4", "")
    assert "not evaluated; the same call in a single process evaluates" in main
    files = {path.name for path in two.iterdir() if not path.name.startswith("events.")}
    assert files == {"config.json", FILE, "checkpoints"}
    assert len(list(two.glob("events.*"))) == 1
    expected, found = rows(one), rows(two)
    assert [row["step"] for row in found] == [1, 2, 3, 4]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=1e-5)

    shutil.rmtree(two / "checkpoints" / "4")
    lines = (two / FILE).read_text().splitlines(keepends=True)
    (two / FILE).write_text("".join(lines[:3]))  # step 3 was made and not saved
    assert "resuming at step 2 of 4" in train(two, 2)[0]
    assert rows(two) == found
    assert sorted(path.name for path in (two / "checkpoints").iterdir()) == ["2", "4"]

    assert "resuming" not in train(two, 1)[0]
    assert rows(two) == found
    found, expected = (
        json.loads((workdir / "evaluation.json").read_text()) for workdir in (two, one)
    )
    assert found == pytest.approx(expected, rel=1e-3)
