"""Fine-tuning a measured run with 10 labels per class, beside the same network from scratch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.results.classifiers import (
    FEW,
    accuracy,
    chosen_rate,
    config_of,
    labeled,
    trainer_of,
)
from experiments.results.record import LABELED, read
from ssl_jax.placement import make_placement
from ssl_jax.runs.workdir import write_json

STEPS = 400
DRAWS = 5
_STUDIED = "resnet_small"  # the network whose rates experiments/labels.py has chosen
KEY = "few_finetuned"
_IMAGES = {"fashion_mnist_mini": "fashion_mnist_mini"} | LABELED


def can(path: Path) -> bool:
    """Tells whether a result is recorded, of a run on images that there are labels for."""
    return path.exists() and read(path)["protocol"]["data"] in _IMAGES


def add(path: Path, run: Path, rates: Mapping[str, float], known: dict[str, Any]) -> None:
    """Measures both, and adds them to a recorded result.

    ``few_finetuned`` holds ``data``, ``labels`` per class, ``steps``; and for ``finetuned`` and
    ``scratch`` the ``rate`` and the ``scores`` of five draws.

    Args:
      path: of the result.
      run: the pretrained run.
      rates: the learning rates of ``finetuned`` and ``scratch`` for the small ResNet; for another
        network they are chosen in the same way.
      known: results from scratch, by network and data, so that each is measured once; is added to.
    """
    result = read(path)
    base, placement = config_of(STEPS, run, _IMAGES[result["protocol"]["data"]]), make_placement()
    network = json.dumps({"network": base.network.to_dict(), "data": base.data.to_dict()})

    def regime(name: str, start: Path | None) -> dict[str, Any]:
        rate = rates[name]
        if base.network.name != _STUDIED:
            rate = chosen_rate(base, start, placement, print)
        compiled = trainer_of(base, rate, start, placement)
        drawn = range(DRAWS)
        scores = [accuracy(compiled, labeled(base, FEW, i), base, i, placement) for i in drawn]
        return {"rate": rate, "scores": scores}

    if network not in known:
        known[network] = regime("scratch", None)
    about = {"data": base.data.name, "labels": FEW, "steps": STEPS}
    found = {"finetuned": regime("finetuned", run), "scratch": known[network]}
    write_json(path, result | {KEY: about | found})


def in_words(result: Mapping[str, Any]) -> str:
    """Returns the accuracies fine-tuned / from scratch; empty if they were not measured."""
    if KEY not in result:
        return ""
    regimes = [result[KEY][name]["scores"] for name in ("finetuned", "scratch")]
    return " / ".join(f"{100 * np.mean(scores):.1f}" for scores in regimes)
