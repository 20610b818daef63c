"""Writes a small run of every method. Later code must load it, embed with it and resume it.

python -m tests.golden.make_workdirs

Each run looks as if it had been stopped after two of four steps. ``expected.npz`` holds what the
code of the time computed from that checkpoint: features of a few examples, and the losses of the
last two steps.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from rich.console import Console

from ssl_jax import load, methods
from ssl_jax.data import Dataset
from ssl_jax.runs.resume import first_state
from ssl_jax.runs.workdir import make_workdir
from ssl_jax.train import loop, optim
from ssl_jax.train.metrics import read
from tests import tiny
from tests.methods.case import case_of, config_of

WORKDIRS = Path(__file__).parent / "workdirs"


def dataset_of(method: str) -> Dataset:
    """Returns the data that the run was trained on."""
    return case_of(method).data()


def last_losses(workdir: Path, config: ConfigDict, dataset: Dataset) -> list[float]:
    """Trains from the last checkpoint to the end; returns the losses of the last two steps."""
    method, optimizer, placement = methods.make(config), optim.make(config), tiny.placement(1)
    batch = tiny.batch(dataset)
    state, _ = first_state(method, optimizer, batch, config, workdir, placement)
    console = Console(quiet=True)
    loop.train(method, optimizer, state, dataset, config, workdir, placement, console)
    return [row["loss"] for row in read(workdir)][-2:]


def features(workdir: Path, dataset: Dataset) -> np.ndarray:
    """Returns features of a few examples, ``[n, d]``."""
    run = load(workdir)
    if dataset.facts["modality"] == "text":
        return run.embed(["abca cbaa", "def fed", "g hi ghi", "a"])
    (name,) = set(dataset.test[0]) & {"image", "video"}
    return run.embed(dataset.test.take(np.arange(8))[name])


def main() -> None:
    """Replaces all runs."""
    shutil.rmtree(WORKDIRS, ignore_errors=True)
    for method in methods.METHODS:
        dataset, workdir = dataset_of(method), WORKDIRS / method
        config = config_of(method, dataset, devices=1)
        make_workdir(workdir, config, dataset.assets)
        losses = last_losses(workdir, config, dataset)
        shutil.rmtree(workdir / "checkpoints" / "4")
        for name in ("events.*", "commit_success.txt"):  # they name the machine and its folders
            for path in workdir.rglob(name):
                path.unlink()
        np.savez(workdir / "expected.npz", losses=losses, features=features(workdir, dataset))


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        main()
