"""How many labels does pretraining save? Accuracy against labels per class, regime by regime.

Regimes: the pretrained backbone fine-tuned, the same network trained from scratch, and a linear
probe and nearest neighbors on the frozen pretrained features. All see the same labeled examples.
Fine-tuning and scratch have the same number of steps and the same augmentation. The learning rate
of each is chosen from one grid, at 10 labels per class, on draws and images that nothing else uses:
2,000 images are held out of the training set to score it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax import config as settings
from ssl_jax import data, load, methods
from ssl_jax.data import Dataset
from ssl_jax.evaluation import vote
from ssl_jax.evaluation.features import Extracted, extract, make_embed, make_predict
from ssl_jax.evaluation.linear import linear_probe_predict
from ssl_jax.placement import Placement, make_placement
from ssl_jax.report.charts.label_curve import label_curve_chart
from ssl_jax.report.charts.style import to_file
from ssl_jax.runs.init_from import with_backbone_of
from ssl_jax.runs.run import Run
from ssl_jax.train import optim
from ssl_jax.train.loop import run_keys
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step

LABELS = (1, 2, 5, 10, 50, 100, None)
RATES = (5e-4, 1e-3, 2e-3, 4e-3)
DRAWS = 5
_CHOICE_DRAWS = (100, 101)
_HELD_OUT = 2000
_CEILING_STEPS = 2000
REGIMES = {
    "finetuned": "fine-tuned",
    "linear": "linear probe",
    "knn": "nearest neighbors",
    "scratch": "from scratch",
}


class Trainer(NamedTuple):
    """A classifier's training, compiled once for all draws.

    Attributes:
      init: ``seed -> state``.
      step: of training.
      method: that is trained.
    """

    init: Callable[[int], TrainState]
    step: Callable[..., Any]
    method: methods.Method


def measure(run: Path, steps: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures all regimes.

    Args:
      run: the pretrained run.
      steps: of fine-tuning and of training from scratch.
      say: is called with a line about each result.

    Returns:
      ``rates``: the chosen learning rates; ``per_class``: how many labels per class all are;
      ``scores``: by regime and labels per class (``all`` for all), the accuracy of each draw;
      ``ceiling``: training from scratch on all labels for 2,000 steps, one accuracy per seed.
    """
    base, placement = _config(steps), make_placement()
    rates = {}
    for regime in ("finetuned", "scratch"):
        means = {}
        for rate in RATES:
            trainer = _trainer(base, rate, run if regime == "finetuned" else None, placement)
            found = [
                _accuracy(trainer, _data(base, 10, draw, _HELD_OUT), base, 0, placement)
                for draw in _CHOICE_DRAWS
            ]
            means[rate] = float(np.mean(found))
            say(f"{regime}, rate {rate:g}: {100 * means[rate]:.1f} on held-out images")
        rates[regime] = max(means, key=means.__getitem__)

    scores: dict[str, dict[str, list[float]]] = {regime: {} for regime in REGIMES}
    for regime, rate in rates.items():
        trainer = _trainer(base, rate, run if regime == "finetuned" else None, placement)
        for labels in LABELS:
            scores[regime][_key(labels)] = [
                _accuracy(trainer, _data(base, labels, draw), base, draw, placement)
                for draw in _draws(labels)
            ]
            say(_line(regime, labels, scores[regime][_key(labels)]))
    features = _features(load(run), _data(base, None, 0), placement)
    for labels in LABELS:
        drawn = [_chosen(features, _data(base, labels, draw)) for draw in _draws(labels)]
        for regime, classify in (("linear", _linear), ("knn", _knn)):
            if _can(regime, labels):
                scores[regime][_key(labels)] = [classify(*each) for each in drawn]
                say(_line(regime, labels, scores[regime][_key(labels)]))
    long = _config(_CEILING_STEPS)
    trainer = _trainer(long, rates["scratch"], None, placement)
    everything = _data(long, None, 0)
    ceiling = [_accuracy(trainer, everything, long, seed, placement) for seed in range(3)]
    say(f"supervised ceiling: {_percent(ceiling)}")
    return {
        "steps": steps,
        "rates": rates,
        "per_class": len(everything.train) // len(everything.label_names or ()),
        "scores": scores,
        "ceiling": ceiling,
    }


def _config(steps: int) -> ConfigDict:
    from configs import finetune

    config = finetune.get_config()
    with config.unlocked():
        config.train.steps = steps
    return config


def _data(config: ConfigDict, labels: int | None, draw: int, holdout: int = 0) -> Dataset:
    options = config.data.to_dict() | {"labels": labels, "draw": draw, "holdout": holdout}
    return data.labeled(data.load(options), at_least=config.data.batch_size)


def _trainer(base: ConfigDict, rate: float, run: Path | None, placement: Placement) -> Trainer:
    dataset, config = _data(base, None, 0), ConfigDict(base.to_dict())
    config.optimizer.learning_rate = rate
    config = settings.resolve(
        config,
        dataset.facts,
        len(dataset.pretrain),
        placement.mesh.size,
        dataset.label_names or (),
    )
    method, optimizer = methods.make(config), optim.make(config)
    batch = {name: x[None] for name, x in dataset.train[0].items()}

    def init(seed: int) -> TrainState:
        state = create(method, optimizer, jax.random.key(seed), batch)
        if run is not None:
            params, extra, _ = with_backbone_of(
                run, method, state.params, state.extra, placement, config.network
            )
            state = state._replace(params=params, extra=extra)
        return placement.put_state(state)

    return Trainer(init, make_step(method, optimizer, placement, init(0)), method)


def _accuracy(
    trainer: Trainer, dataset: Dataset, config: ConfigDict, seed: int, placement: Placement
) -> float:
    """Trains on the labeled examples of a dataset; returns the accuracy on its test set."""
    state, stream = (
        trainer.init(seed),
        data.batches(dataset.pretrain, config.data.batch_size, seed=seed),
    )
    key = placement.put_state(run_keys(_seeded(config, seed))[1])
    for _ in range(config.train.steps):
        state, _ = trainer.step(key, state, placement.put_batch(next(stream)))
    stream.close()
    predict = make_predict(trainer.method, state.params, state.extra, placement)
    found = extract(predict, dataset.test, config.evaluation.batch_size, placement)
    return float((found.z.argmax(-1) == found.y).mean())


def _seeded(config: ConfigDict, seed: int) -> ConfigDict:
    seeded = ConfigDict(config.to_dict())
    seeded.seed = seed
    return seeded


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
        f"{DRAWS} draws, 3 for all labels. Ceiling, from scratch on all labels for "
        f"{_CEILING_STEPS:,} steps: {_percent(study['ceiling'])}. {study['machine']}; Python "
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
    ceiling = {f"from scratch, {_CEILING_STEPS:,} steps": float(np.mean(study["ceiling"]))}
    ticks = {size: key for key, size in sizes.items()}
    return to_file(label_curve_chart(curves, ticks, levels=ceiling))
