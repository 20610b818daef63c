"""Runs a preset and records its result, with all that is needed to measure it again."""

import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from experiments.results import filters
from experiments.results.comparisons import VARIANTS
from ssl_jax import data, fit, methods
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.nn import backbones
from ssl_jax.output import console as make_console
from ssl_jax.runs.evaluate_again import Options, evaluate_again, file_name
from ssl_jax.runs.workdir import EVALUATION, finished, read_evaluation, write_json

LABELED = {"photo_tiles_mini": "stamps"}
"""For data without labels, other data that scores its features."""

_THREE_SEEDS = ("simclr", "byol", "mae", "dino", "rotation")
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
_PROCESSOR = Path("/proc/cpuinfo")


def run(name: str, workdirs: Path, folder: Path) -> None:
    """Runs the default preset of a config, some with three seeds, and writes ``folder/name.json``.

    Args:
      name: of the config, or of a variant.
      workdirs: holds the folders of the runs, ``name``, ``name-seed1``, ...; a run that is finished
        is only recorded.
      folder: folder of the results; variants are in ``folder/variants``.
    """
    results = []
    preset, changes = VARIANTS.get(name, (name, {}))
    for seed in range(3 if name in _THREE_SEEDS else 1):
        workdir = workdirs / (f"{name}-seed{seed}" if seed else name)
        config = import_module(f"configs.{preset}").get_config(f"seed={seed}")
        config.update_from_flattened_dict(changes)
        began, measured = time.monotonic(), not workdir.exists()
        result = fit(methods.make, data.load(config.data), config, workdir=workdir)
        seconds = round(time.monotonic() - began) if measured else None
        results.append(record(preset, result.config, workdir, seconds))
    first, *others = results
    first["further_seeds"] = [
        {key: each[key] for key in ("seed", "values", "seconds")} for each in others
    ]
    if changes:
        first["changes"] = dict(changes)
    first |= _transfer(workdirs / name, first["protocol"]["data"])
    if import_module(f"configs.{preset}").get_config().network.name in backbones.MLPS:
        first["values"]["filter_pixels"] = filters.pixels(filters.first(workdirs / name))
    path = folder / "variants" / f"{name}.json" if changes else folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, first)


def _transfer(workdir: Path, name: str) -> dict[str, Any]:
    """Scores the features on other data if the run's own has no labels."""
    if name not in LABELED:
        return {}
    evaluate_again(workdir, Options(data=LABELED[name]), make_console())
    values = json.loads((workdir / file_name(LABELED[name])).read_text())
    return {"transfer": {"data": LABELED[name], "values": values}}


def record(name: str, config: ConfigDict, workdir: Path, seconds: int | None) -> dict[str, Any]:
    """Returns the result of a finished run, as written to JSON.

    Args:
      name: name of the config in ``configs/``.
      config: the resolved config.
      workdir: folder of the run.
      seconds: time from start to page, compilation included; None if the run was resumed or
        already finished.
    """
    assert finished(workdir)
    written = datetime.fromtimestamp((workdir / EVALUATION).stat().st_mtime, UTC)
    evaluation = config.evaluation
    return {
        "config": f"configs/{name}.py",
        "preset": "default",
        "seed": config.seed,
        "step": config.train.steps,
        "protocol": {
            "data": config.data.name,
            "input": MODALITIES[config.data.modality].input_name,
            "split": "test" if not config.data.holdout else f"{config.data.holdout} held out",
            "layers": list(evaluation.layers),
            "knn": {
                "k": evaluation.knn_k,
                "temperature": evaluation.knn_temperature,
                "transform": evaluation.knn_transform,
            },
            "few_labels": "10 per class, mean of 10 draws",
        },
        "values": read_evaluation(workdir),
        "seconds": seconds,
        **provenance(),
        "date": written.date().isoformat(),
    }


def provenance() -> dict[str, Any]:
    """Returns the versions of what computes, the machine and the date."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in _PACKAGES},
        },
        "machine": _machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def read(path: Path) -> dict[str, Any]:
    """Reads a recorded result."""
    return json.loads(path.read_text())


def _machine() -> str:
    """Names the accelerators, or the processor and its cores."""
    devices = jax.devices()
    if devices[0].platform != "cpu":
        return f"{len(devices)} x {devices[0].device_kind}"
    lines = _PROCESSOR.read_text().splitlines() if _PROCESSOR.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} CPU cores, {names[0] if names else platform.machine()}"
