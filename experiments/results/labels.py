"""How many labels does pretraining save? Accuracy against labels per class, regime by regime.

Regimes: the pretrained backbone fine-tuned, the same network trained from scratch, and a linear
probe and nearest neighbors on the frozen pretrained features. All see the same labeled examples.
``classifiers.py`` has the protocol of fine-tuning and scratch. The supervised ceiling is the
default preset of ``configs/finetune.py`` from scratch: all labels, 2,000 steps, augmentation.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from configs import finetune
from experiments.results.classifiers import accuracy, chosen_rate, config_of, labeled, trainer_of
from ssl_jax import load
from ssl_jax.data import Dataset
from ssl_jax.evaluation import vote
from ssl_jax.evaluation.features import Extracted, extract, make_embed
from ssl_jax.evaluation.linear import linear_probe_predict
from ssl_jax.placement import Placement, make_placement
from ssl_jax.report.charts.label_curve import label_curve_chart
from ssl_jax.report.charts.style import to_file
from ssl_jax.runs.run import Run

LABELS = (1, 2, 5, 10, 50, 100, None)
DRAWS = 5
REGIMES = {
    "finetuned": "fine-tuned",
    "linear": "linear probe",
    "knn": "nearest neighbors",
    "scratch": "from scratch",
}


def measure(run: Path, steps: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures all regimes.

    Args:
      run: the pretrained run.
      steps: of fine-tuning and of training from scratch.
      say: is called with a line about each result.

    Returns:
      ``rates``: the chosen learning rates; ``per_class``: how many labels per class all are;
      ``scores``: by regime and labels per class (``all`` for all), the accuracy of each draw;
      ``ceiling``: the default preset from scratch, one accuracy per seed.
    """
    base, placement = config_of(steps), make_placement()
    starts: dict[str, Path | None] = {"finetuned": run, "scratch": None}
    rates = {name: chosen_rate(base, start, placement, say) for name, start in starts.items()}
    scores: dict[str, dict[str, list[float]]] = {regime: {} for regime in REGIMES}
    for regime, rate in rates.items():
        trainer = trainer_of(base, rate, starts[regime], placement)
        for labels in LABELS:
            scores[regime][_key(labels)] = [
                accuracy(trainer, labeled(base, labels, draw), base, draw, placement)
                for draw in _draws(labels)
            ]
            say(_line(regime, labels, scores[regime][_key(labels)]))
    features = _features(load(run), labeled(base, None, 0), placement)
    for labels in LABELS:
        drawn = [_chosen(features, labeled(base, labels, draw)) for draw in _draws(labels)]
        for regime, classify in (("linear", _linear), ("knn", _knn)):
            if _can(regime, labels):
                scores[regime][_key(labels)] = [classify(*each) for each in drawn]
                say(_line(regime, labels, scores[regime][_key(labels)]))
    long = finetune.get_config()
    trainer = trainer_of(long, long.optimizer.learning_rate, None, placement)
    everything = labeled(long, None, 0)
    ceiling = [accuracy(trainer, everything, long, seed, placement) for seed in range(3)]
    say(f"supervised ceiling: {_percent(ceiling)}")
    return {
        "steps": steps,
        "rates": rates,
        "per_class": len(everything.train) // len(everything.label_names or ()),
        "scores": scores,
        "ceiling": ceiling,
    }


def _features(run: Run, dataset: Dataset, placement: Placement) -> tuple[Extracted, Extracted]:
    layers, size = run.config.evaluation.layers, run.config.evaluation.batch_size
    embed = make_embed(run.method, run.params, run.extra, layers, placement)
    return (
        extract(embed, dataset.train, size, placement),
        extract(embed, dataset.test, size, placement),
    )


def _chosen(
    features: tuple[Extracted, Extracted], dataset: Dataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the features and labels of the drawn training examples and of the test set."""
    train, test = features
    rows = getattr(dataset.train, "indices", np.arange(len(dataset.train)))
    return train.z[rows], np.asarray(train.y)[rows], test.z, np.asarray(test.y)


def _linear(z: np.ndarray, y: np.ndarray, test_z: np.ndarray, test_y: np.ndarray) -> float:
    return float((linear_probe_predict(z, y, test_z).argmax(-1) == test_y).mean())


def _knn(z: np.ndarray, y: np.ndarray, test_z: np.ndarray, test_y: np.ndarray) -> float:
    alone = np.bincount(y).max() == 1
    chosen = vote.Vote(1, 0.1, "centered") if alone else vote.choose(z, y)
    votes = vote.predict(z, y, test_z, chosen, classes=int(y.max()) + 1)
    return float((votes.argmax(-1) == test_y).mean())


def _can(regime: str, labels: int | None) -> bool:
    """A linear probe needs two examples of a class to choose its penalty."""
    return regime != "linear" or labels != 1


def _draws(labels: int | None) -> range:
    return range(3 if labels is None else DRAWS)


def _key(labels: int | None) -> str:
    return "all" if labels is None else str(labels)


def _line(regime: str, labels: int | None, found: list[float]) -> str:
    return f"{REGIMES[regime]}, {_key(labels)} labels per class: {_percent(found)}"


def _percent(found: list[float]) -> str:
    return f"{100 * np.mean(found):.1f} ± {100 * np.std(found, ddof=1):.1f}"


def table(study: Mapping[str, Any]) -> Iterator[str]:
    """Yields a Markdown table, mean and standard deviation over draws, and the provenance."""
    keys = [_key(labels) for labels in LABELS]
    yield f"| labels per class | {' | '.join(keys)} |"
    yield "|---|" + "---|" * len(keys)
    for regime, name in REGIMES.items():
        found = study["scores"][regime]
        cells = [_percent(found[key]) if key in found else "" for key in keys]
        yield f"| {name} | {' | '.join(cells)} |"
    rates, versions = study["rates"], study["versions"]
    yield ""
    yield (
        f"From the run `{study['run']}`; {study['steps']} steps of 128 images; learning rates "
        f"{rates['finetuned']:g} (fine-tuned) and {rates['scratch']:g} (from scratch); "
        f"{DRAWS} draws, 3 for all labels. Supervised ceiling, the default preset from scratch: "
        f"{_percent(study['ceiling'])}. {study['machine']}; Python "
        f"{versions['python']}, jax {versions['jax']}; {study['date']}."
    )


def figure(study: Mapping[str, Any]) -> str:
    """Returns the text of an SVG file: a line per regime, and the supervised ceiling."""
    sizes = {_key(labels): float(labels or study["per_class"]) for labels in LABELS}
    curves = {
        name: {
            sizes[key]: (float(np.mean(found)), float(np.std(found, ddof=1)))
            for key, found in study["scores"][regime].items()
        }
        for regime, name in REGIMES.items()
    }
    ceiling = {"supervised ceiling": float(np.mean(study["ceiling"]))}
    ticks = {size: key for key, size in sizes.items()}
    return to_file(label_curve_chart(curves, ticks, levels=ceiling))
