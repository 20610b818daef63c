"""Workdirs like those of runs, written without training."""

import json
import math
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax import config as settings
from ssl_jax.data import Dataset
from ssl_jax.data.dataset import gather
from ssl_jax.methods.base import Method
from ssl_jax.runs.workdir import make_workdir, write_json
from ssl_jax.train import optim
from ssl_jax.train.checkpoint import FOLDER, Checkpoints
from ssl_jax.train.state import TrainState, create

SHARES = {"knn_top1": (0.81, 0.80), "linear_top1": (0.845, 0.85), "linear100_top1": (0.69, 0.72)}


def write(
    workdir: Path,
    method: str,
    *,
    steps: int = 1000,
    made: int | None = None,
    lead: float | None = 0.04,
    prefixes: tuple[str, ...] = ("",),
    loss: float = 4.0,
    seed: int = 0,
    row: dict[str, float] | None = None,
    values: dict[str, float] | None = None,
    **changes: object,
) -> Path:
    """Writes a run with config, metrics and scores, but without a checkpoint.

    Args:
      workdir: a new folder.
      method: name of the method.
      steps: number of steps to make.
      made: number of steps made; if it is lower than `steps`, there is no evaluation.
      lead: lead over the better baseline in each score on labels; None without labels.
      prefixes: prefixes of the scores on labels.
      loss: at the first step.
      seed: of the noise.
      row: further entries of each row of metrics.jsonl.
      values: further entries of evaluation.json.
      **changes: changed settings, as in ``optimizer__learning_rate=0.1``.

    Returns:
      The workdir.
    """
    rng = np.random.default_rng(seed)
    config = settings.defaults()
    config.method = {"name": method}
    config.train.steps = steps
    config.train.epochs = steps * 128 / 10_000
    config.data.batch_size = 128
    config.data.image_size, config.data.channels = 28, 1
    with config.unlocked():
        for key, value in changes.items():
            *blocks, name = key.split("__")
            block = config
            for part in blocks:
                block = block[part]
            block[name] = value
    workdir.mkdir(parents=True)
    write_json(workdir / "config.json", config.to_dict())

    rows = []
    for step in range(10, (steps if made is None else made) + 1, 10):
        fall = 0.35 + 0.65 * math.exp(-4 * step / steps)
        speed = 60.0 if step == 10 else 800 + 100 * rng.normal()
        rows.append(
            {
                "step": step,
                "loss": loss * (fall + 0.02 * rng.normal()),
                "learning_rate": 1e-3,
                **(row or {}),
                "examples_per_second": speed,
                "input_wait": 0.0,
            }
        )
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    if made is not None and made < steps:
        return workdir

    scores: dict[str, float] = {"step": steps, "examples": 2000, "features": 1536, "rankme": 600.5}
    for prefix in prefixes if lead is not None else ():
        for key, (untrained, raw) in SHARES.items():
            learned = max(untrained, raw) + lead + 0.003 * rng.normal()
            scores |= {
                f"{prefix}{key}": round(learned, 4),
                f"random_init_{prefix}{key}": untrained,
                f"{prefix}{key}_minus_random_init_se": 0.0072,
                f"input_{prefix}{key}": raw,
                f"{prefix}{key}_minus_input_se": 0.0069,
            }
    write_json(workdir / "evaluation.json", scores | (values or {}))
    return workdir


def healthy(rank: float = 50.0) -> dict[str, float]:
    """Returns the vital signs of embeddings that fill their space."""
    return {"embedding_rank": rank, "embedding_size": 128.0, "embedding_std": 0.08}


def collapsed() -> dict[str, float]:
    """Returns the vital signs of embeddings that all point the same way."""
    return {"embedding_rank": 1.2, "embedding_size": 128.0, "embedding_std": 1e-5}


def initial_state(method: Method, config: ConfigDict, data: Dataset) -> TrainState:
    """Returns the state that training would start from."""
    batch = gather(data.pretrain, np.arange(2))
    make = jax.jit(lambda key: create(method, optim.make(config), key, batch))
    return make(jax.random.key(0))


def write_checkpoint(
    workdir: Path, config: ConfigDict, state: TrainState, assets: Mapping[str, str]
) -> None:
    """Writes a run that ``ssl_jax.load`` can load, with the state as its only checkpoint."""
    make_workdir(workdir, config, assets)
    with closing(Checkpoints(workdir / FOLDER)) as checkpoints:
        checkpoints.save(1, state)
