"""Whole runs on eight devices: their files, exact resuming, loading."""

import errno
import importlib
import io
import json
import os
import shutil
import signal
import time

import chex
import jax
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import ssl_jax
from ssl_jax import methods
from ssl_jax.data import load as load_data
from ssl_jax.data.dataset import Subset, gather
from ssl_jax.errors import InputError
from ssl_jax.placement import make_placement
from ssl_jax.runs.fit import evaluate_run
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.feed import Feed
from ssl_jax.train.stop import Stopped
from tests import tiny
from tests.constants import watched_jit

SCORES = {"evaluation.json", "classes.json", "report.html"}
FILES = {"config.json", "contents.npz", "metrics.jsonl", "checkpoints"} | SCORES


def config(**changes):
    base = tiny.config(
        name="simclr", temperature=0.2, projector=(8,), augment={"area": (0.5, 1.0), "blur": 0.0}
    )
    base.train.update(changes)
    base.evaluation.train_examples = 30
    return base


@pytest.fixture(scope="module")
def data():
    return tiny.data()


def fit(data, workdir, base=None, method=None):
    resolved = tiny.resolved(base or config(), data)
    return ssl_jax.fit(method or methods.make(resolved), data, resolved, workdir=workdir)


class Killed(Exception):
    """Stands in for a kill."""


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that never stops, how often its loss was traced, and what was compiled for it."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    method = methods.make(tiny.resolved(config(), data))
    traces = []

    def loss(*args):
        traces.append(1)
        return method.loss(*args)

    with watched_jit() as compiled:
        run = fit(data, workdir, method=method._replace(loss=loss))
    return run, workdir, len(traces), compiled


def snapshot(workdir):
    return {p: p.stat().st_mtime_ns for p in workdir.rglob("*") if p.is_file()}


def rows(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return {row["step"]: row["loss"] for row in map(json.loads, lines)}


def test_a_run_leaves_all_its_files_in_the_workdir(whole):
    run, workdir, *_ = whole
    assert {p.name for p in workdir.iterdir() if not p.name.startswith("events.")} == FILES
    assert list(workdir.glob("events.*"))
    assert sorted(p.name for p in (workdir / "checkpoints").iterdir()) == ["2", "4"]
    assert list(rows(workdir)) == [1, 2, 3, 4]
    assert run.step == 4
    values = json.loads((workdir / "evaluation.json").read_text())
    for score in ("knn_top1", "linear_top1", "linear100_top1"):
        for key in (score, f"random_init_{score}", f"input_{score}"):
            assert 0 <= values[key] <= 1
        for baseline in ("input", "random_init"):
            assert values[f"{score}_minus_{baseline}_se"] >= 0
    assert values["step"] == 4
    assert values["examples"] == 24
    assert values["train_examples"] == 30
    assert "30 of 40 examples" in (workdir / "report.html").read_text()
    assert 1 <= values["rankme"] <= values["features"]
    assert values["linear_top5"] == 1.0  # there are three classes


def test_the_loss_is_traced_once_for_training_and_once_for_the_baseline(whole):
    assert whole[2] == 2


def test_no_compiled_function_of_a_run_closes_over_device_arrays(whole):
    """``tests/methods/test_contract.py`` checks what differs between methods."""
    compiled = whole[3]
    assert compiled.keys() >= {"step", "embed", "collect", "_nearest", "_minimise", "raw_input"}
    assert {name: found for name, found in compiled.items() if found} == {}


def test_a_finished_run_is_left_alone(whole, data, capsys):
    run, workdir, *_ = whole
    before = snapshot(workdir)
    again = fit(data, workdir)
    assert snapshot(workdir) == before
    assert "finished" in capsys.readouterr().out
    chex.assert_trees_all_equal(again.params, run.params)


def test_a_killed_and_resumed_run_equals_one_that_never_stopped(
    whole, data, tmp_path, monkeypatch, capsys
):
    run, workdir, *_ = whole
    real = Feed.next
    made = []

    def next_batch(self):
        if len(made) == 3:  # after step 3; the last checkpoint is that of step 2
            raise Killed
        made.append(1)
        return real(self)

    monkeypatch.setattr(Feed, "next", next_batch)
    with pytest.raises(Killed):
        fit(data, tmp_path / "run")
    monkeypatch.undo()
    assert not (tmp_path / "run" / "evaluation.json").exists()

    resumed = fit(data, tmp_path / "run")
    assert "resuming at step 2 of 4" in capsys.readouterr().out
    chex.assert_trees_all_equal(resumed.params, run.params)
    chex.assert_trees_all_equal(resumed.extra, run.extra)
    assert rows(tmp_path / "run") == rows(workdir)
    scores = [
        json.loads((place / "evaluation.json").read_text()) for place in (workdir, tmp_path / "run")
    ]
    assert scores[0] == scores[1]


def test_a_request_to_stop_saves_the_current_step(whole, data, tmp_path, monkeypatch):
    real = Feed.next
    made = []

    def next_batch(self):
        made.append(1)
        if len(made) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self)

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Feed, "next", next_batch)
    with pytest.raises(Stopped, match="stopped at step 1 of 4"):
        fit(data, tmp_path / "run")
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["1"]
    chex.assert_trees_all_equal(fit(data, tmp_path / "run").params, whole[0].params)


def test_a_loaded_run_embeds_as_the_original(whole, data):
    run, workdir, *_ = whole
    loaded = ssl_jax.load(workdir)
    chex.assert_trees_all_equal(loaded.params, run.params)
    images = data.test.take(np.arange(24))["image"]
    features = loaded.embed(images)
    assert features.shape == (24, 1024)
    np.testing.assert_array_equal(features, run.embed(images))
    np.testing.assert_allclose(loaded.embed(images[:3]), features[:3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded.embed(images[..., 0] / 255.0), features, rtol=1e-5, atol=1e-6)
    larger = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    assert np.corrcoef(loaded.embed(larger).ravel(), features.ravel())[0, 1] > 0.95
    with pytest.raises(InputError, match="images"):
        loaded.embed(images.astype(np.float32))


@pytest.mark.parametrize("key", ["layers", "probe_layers"])
def test_a_missing_layer_is_refused_before_training(data, tmp_path, key):
    base = config()
    base.evaluation[key] = ("stage9",)
    with pytest.raises(InputError, match=rf"^evaluation\.{key}: 'stage9'; .* features, stage1"):
        fit(data, tmp_path / "run", base)
    assert not (tmp_path / "run").exists()


def test_another_config_in_the_same_workdir_is_refused(whole, data):
    base = config()
    base.seed = 3
    before = snapshot(whole[1])
    with pytest.raises(InputError, match=r"another config: seed \(0 there, 3 here\)"):
        fit(data, whole[1], base)
    assert snapshot(whole[1]) == before


def test_without_labels_the_evaluation_is_label_free(data, tmp_path):
    images, tests = (s.take(np.arange(len(s)))["image"] for s in (data.train, data.test))
    unlabeled = ssl_jax.data.from_arrays(images, test_images=tests)
    fit(unlabeled, tmp_path / "run")
    values = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert set(values) == {"step", "examples", "train_examples", "features", "rankme"}
    assert "no labels" in (tmp_path / "run" / "report.html").read_text()


def test_scores_are_those_of_a_fixed_choice_of_test_examples(whole, data, tmp_path):
    run, *_ = whole
    few = run.config.copy_and_resolve_references()
    few.evaluation.test_examples = 15
    tests = Subset(data.test, np.sort(np.random.default_rng(0).permutation(24)[:15]))
    found = []
    for name, config, given in (("a", few, data), ("b", run.config, data._replace(test=tests))):
        (tmp_path / name).mkdir()
        console = Console(file=io.StringIO())
        evaluate_run(run._replace(config=config), given, tmp_path / name, make_placement(), console)
        found.append(json.loads((tmp_path / name / "evaluation.json").read_text()))
    assert found[0] == found[1]
    assert found[0]["examples"] == 15
    assert "15 of 24 examples" in (tmp_path / "a/report.html").read_text()


def test_embedding_again_compiles_nothing(whole, data):
    run = whole[0]
    traces = []

    def embed(*args):
        traces.append(1)
        return run.method.embed(*args)

    counted = run._replace(method=run.method._replace(embed=embed))
    images = data.test.take(np.arange(24))["image"]
    for count in (24, 24, 8, 24, 8):
        counted.embed(images[:count])
    assert len(traces) == 2  # for 24, padded to a whole batch, and for 8
    moved = counted._replace(params=jax.tree.map(lambda x: 2 * x, run.params))
    assert not np.array_equal(moved.embed(images), counted.embed(images))
    assert len(traces) == 2


def test_a_path_that_checkpoints_cannot_be_read_from_is_refused_before_training(data, tmp_path):
    with pytest.raises(InputError, match=r"contains '\[2024\]'"):
        fit(data, tmp_path / "study [2024]" / "run")
    assert not any(tmp_path.iterdir())


def test_a_failed_save_ends_the_run_at_the_next_step(data, tmp_path, monkeypatch):
    class Failing:
        def result(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoints, "_begin", lambda *_: Failing())
    made = []
    real = Feed.next

    def next_batch(self):
        made.append(1)
        time.sleep(0.2)
        return real(self)

    monkeypatch.setattr(Feed, "next", next_batch)
    base = config(steps=20, checkpoint_every=6)
    with pytest.raises(InputError, match="checkpoints/6: cannot be saved: No space left on device"):
        fit(data, tmp_path / "run", base)
    assert len(made) <= 8  # the save at step 12 would also report it


def test_if_a_checkpoint_is_replaced_while_it_is_read_the_newer_one_is_read(
    whole, tmp_path, monkeypatch
):
    run, workdir, *_ = whole
    shutil.copytree(workdir, tmp_path / "run")
    kept = tmp_path / "run" / "checkpoints"
    (kept / "4").rename(tmp_path / "later")
    real, asked = Checkpoints.restore, []

    def restore(self, step, *rest):
        if not asked:
            shutil.rmtree(kept / "2")
            (tmp_path / "later").rename(kept / "4")
        asked.append(step)
        return real(self, step, *rest)

    monkeypatch.setattr(Checkpoints, "restore", restore)
    loaded = ssl_jax.load(tmp_path / "run")
    assert asked == [2, 4]
    chex.assert_trees_all_equal(loaded.params, run.params)


def test_files_that_turn_out_to_be_unreadable_while_training_are_listed(tmp_path, monkeypatch):
    """With the reason, beside those that were found before; also if the run is stopped."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 32), np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    cut, empty, raw = (tmp_path / name for name in ("7.png", "empty.png", "photo.cr2"))
    cut.write_bytes(cut.read_bytes()[:500])
    empty.write_bytes(b"")
    raw.write_bytes(b"")
    asked = {"cache_mib": 0, "mean": (0.5,), "std": (0.3,), "image_size": 8}
    folder = load_data({"name": f"folder:{tmp_path}", **asked})
    found = {str(empty): "is empty", str(raw): ".cr2"}
    workdir = tmp_path / "run"
    settings = config(steps=1)
    settings.data.update({**asked, "batch_size": 8})

    def train(*arguments):
        assert json.loads((workdir / "unreadable.json").read_text()) == found
        for split in (folder.train, folder.test):
            gather(split, np.arange(len(split)))
        raise Stopped("stopped")

    monkeypatch.setattr(importlib.import_module("ssl_jax.runs.fit"), "train", train)
    with pytest.raises(Stopped):
        ssl_jax.fit(methods.make, folder, settings, workdir=workdir)
    listed = json.loads((workdir / "unreadable.json").read_text())
    assert listed == found | {str(cut): "image file is truncated"}
