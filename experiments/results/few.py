"""Fine-tuning a measured run with 10 labels per class, beside the same network from scratch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.results.classifiers import FEW, accuracy, config_of, labeled, trainer_of
from experiments.results.record import read
from ssl_jax.placement import make_placement
from ssl_jax.runs.workdir import write_json

STEPS = 400
DRAWS = 5
KEY = "few_finetuned"
_IMAGES = {"fashion_mnist_mini": "fashion_mnist_mini", "photo_tiles_mini": "stamps"}


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
      rates: the learning rates of ``finetuned`` and ``scratch``.
      known: results from scratch, by network and data, so that each is measured once; is added to.
    """
    result = read(path)
    base, placement = config_of(STEPS, run, _IMAGES[result["protocol"]["data"]]), make_placement()
    network = json.dumps({"network": base.network.to_dict(), "data": base.data.to_dict()})

    def regime(rate: float, start: Path | None) -> dict[str, Any]:
        compiled = trainer_of(base, rate, start, placement)
        drawn = range(DRAWS)
        scores = [accuracy(compiled, labeled(base, FEW, i), base, i, placement) for i in drawn]
        return {"rate": rate, "scores": scores}

    if network not in known:
        known[network] = regime(rates["scratch"], None)
    about = {"data": base.data.name, "labels": FEW, "steps": STEPS}
    found = {"finetuned": regime(rates["finetuned"], run), "scratch": known[network]}
    write_json(path, result | {KEY: about | found})
