"""Whole runs train, stop and resume, compute in bfloat16, and embed as on a CPU."""

import importlib
import json

import jax
import numpy as np
import pytest

import ssl_jax
from ssl_jax import config as settings
from ssl_jax import data, methods
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.data.streams import training_source
from ssl_jax.methods import METHODS
from ssl_jax.placement import make_placement
from ssl_jax.runs.resume import restore_latest
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.feed import Feed
from ssl_jax.train.metrics import read
from tests.gpu.reference import features, on_the_cpu

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

ONE_PER_FAMILY = ["simclr", "byol", "dino", "mae", "context_encoder", "autoencoder"]
ONE_PER_FAMILY += ["frame_order", "next_word"]
ALL = list(METHODS)


def prepared(method, **changes):
    """The smoke preset, with a short evaluation."""
    asked = importlib.import_module(f"configs.{method}").get_config("smoke")
    asked = asked.copy_and_resolve_references().unlock()
    asked.evaluation.train_examples = 200
    asked.data.holdout = 200 if asked.data.name == "fashion_mnist_mini" else 0
    asked.update_from_flattened_dict(changes)
    dataset = data.load(asked.data)
    count = len(dataset.pretrain)
    return settings.resolve(asked, dataset.facts, count, jax.device_count()), dataset


def fit(workdir, method, **changes):
    config, dataset = prepared(method, **changes)
    return ssl_jax.fit(methods.make(config), dataset, config, workdir=workdir)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of SimCLR that never stops."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    fit(workdir, "simclr")
    return workdir


def test_a_run_trains_and_is_evaluated(tmp_path, method, accelerator):
    run = fit(tmp_path / "run", method)
    assert {x.platform for leaf in jax.tree.leaves(run.params) for x in leaf.devices()} == {
        accelerator.platform
    }
    rows = read(tmp_path / "run")
    assert rows[-1]["step"] == run.step
    assert all(np.isfinite(row["loss"]) and row["skipped"] == 0 for row in rows)
    values = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert all(np.isfinite(value) for value in values.values())
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


class Killed(Exception):
    """Stands in for a kill."""


def test_a_stopped_run_resumes(whole, tmp_path, monkeypatch):
    """The restored state is equal bit for bit; later losses are equal within 1 %.

    Some GPU kernels sum in no fixed order, so two runs differ in the last bits.
    """
    saved, save, next_batch = {}, Checkpoints.save, Feed.next

    def kept(self, step, state):
        saved[step] = jax.device_get(state)
        save(self, step, state)

    made = []

    def stopped(self):
        if len(made) == 6:
            raise Killed
        made.append(1)
        return next_batch(self)

    monkeypatch.setattr(Checkpoints, "save", kept)
    monkeypatch.setattr(Feed, "next", stopped)
    with pytest.raises(Killed):
        fit(tmp_path / "run", "simclr")
    monkeypatch.undo()
    config, dataset = prepared("simclr")
    method, optimizer = methods.make(config), optim.make(config)
    batch = batch_like(training_source(dataset, method.inputs)[0], config.data.batch_size)
    restored = restore_latest(tmp_path / "run", method, optimizer, batch, make_placement())
    assert restored is not None
    assert int(restored.step) == 4
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), saved[4])

    fit(tmp_path / "run", "simclr")
    resumed, expected = (
        {row["step"]: row["loss"] for row in read(w)} for w in (tmp_path / "run", whole)
    )
    assert resumed.keys() == expected.keys()
    for step, loss in expected.items():
        np.testing.assert_allclose(resumed[step], loss, rtol=1e-2)


@pytest.mark.parametrize("name", ["simclr", "mae"])
def test_the_first_loss_in_bfloat16_is_close_to_that_in_float32(tmp_path, name):
    """Before the first update, so that differences do not add up."""
    first = {}
    for dtype in ("float32", "bfloat16"):
        changes = {"network.dtype": dtype, "train.steps": 1, "train.log_every": 1}
        fit(tmp_path / dtype, name, **changes)
        first[dtype] = read(tmp_path / dtype)[0]["loss"]
    np.testing.assert_allclose(first["bfloat16"], first["float32"], rtol=2e-2)


def test_features_match_those_on_a_cpu(whole, tmp_path):
    here = features(str(whole))["features"]
    there = on_the_cpu(tmp_path / "features.npz", whole)["features"]
    assert np.linalg.norm(here - there) <= 1e-2 * np.linalg.norm(there)
