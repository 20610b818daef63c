"""Runs of earlier code load, embed as they did then, and resume."""

import shutil

import numpy as np
import pytest

from ssl_jax.methods import METHODS
from ssl_jax.runs.workdir import read_config
from tests import tiny
from tests.golden.make_workdirs import WORKDIRS, dataset_of, features, last_losses


@pytest.mark.parametrize("method", sorted(path.name for path in WORKDIRS.iterdir()))
def test_a_run_of_earlier_code_loads_embeds_and_resumes(method, tmp_path, monkeypatch):
    tiny.small_networks(monkeypatch)
    shutil.copytree(WORKDIRS / method, tmp_path / "run")
    dataset, expected = dataset_of(method), np.load(tmp_path / "run" / "expected.npz")
    found = features(tmp_path / "run", dataset)
    np.testing.assert_allclose(found, expected["features"], rtol=1e-6, atol=1e-6)
    losses = last_losses(tmp_path / "run", read_config(tmp_path / "run"), dataset)
    np.testing.assert_allclose(losses, expected["losses"], rtol=1e-3)


def test_the_golden_runs_are_of_methods():
    """Methods younger than the golden runs have none."""
    names = {path.name for path in WORKDIRS.iterdir()}
    assert len(names & METHODS.keys()) == 10
