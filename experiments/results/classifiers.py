"""Classifiers with few labels: fine-tuned from a run, or trained from scratch.

Both have the same network, number of steps and labeled examples, and no augmentation, which is best
for both with 10 labels per class (docs/results.md). A learning rate is chosen from ``RATES`` at 10
labels per class, on draws and images that nothing else uses: 2,000 images are held out of the
training set to score it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import finetune
from ssl_jax import config as settings
from ssl_jax import data, methods
from ssl_jax.data import Dataset
from ssl_jax.evaluation.features import extract, make_predict
from ssl_jax.placement import Placement
from ssl_jax.runs.init_from import with_backbone_of
from ssl_jax.runs.workdir import read_config
from ssl_jax.train import optim
from ssl_jax.train.loop import run_keys
from ssl_jax.train.state import TrainState, create
from ssl_jax.train.step import make_step

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
FEW = 10
_CHOICE_DRAWS = (100, 101)
_HELD_OUT = 2000
_OF_DATA = ("image_size", "channels", "mean", "std")


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


def config_of(steps: int, run: Path | None = None, name: str | None = None) -> ConfigDict:
    """Returns the config of a classifier, with the network and the data of a run.

    Args:
      steps: training steps.
      run: a pretrained run; None stands for the default preset of ``configs/finetune.py``.
      name: of other data than the run's, which is given the shape and normalization of the run's.
    """
    config = finetune.get_config()
    with config.unlocked():
        config.train.steps = steps
        config.method.augment.name = "none"
        if run is not None:
            pretrained = read_config(run)
            config.network = pretrained.network
            config.data.update({key: pretrained.data[key] for key in _OF_DATA})
            config.data.name = name or pretrained.data.name
    return config


def labeled(config: ConfigDict, labels: int | None, draw: int, holdout: int = 0) -> Dataset:
    """Returns the data with a draw of labeled examples per class; None stands for all."""
    options = config.data.to_dict() | {"labels": labels, "draw": draw, "holdout": holdout}
    return data.labeled(data.load(options), at_least=config.data.batch_size)


def trainer_of(base: ConfigDict, rate: float, run: Path | None, placement: Placement) -> Trainer:
    """Compiles the training of a classifier.

    Args:
      base: from ``config_of``.
      rate: the learning rate.
      run: whose backbone training starts from; None: from scratch.
      placement: where the arrays live.
    """
    dataset, config = labeled(base, None, 0), ConfigDict(base.to_dict())
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


def accuracy(
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


def chosen_rate(
    base: ConfigDict, run: Path | None, placement: Placement, say: Callable[[str], None]
) -> float:
    """Returns the best of ``RATES``, and says how well each does."""
    means = {}
    for rate in RATES:
        trainer = trainer_of(base, rate, run, placement)
        found = [
            accuracy(trainer, labeled(base, FEW, draw, _HELD_OUT), base, 0, placement)
            for draw in _CHOICE_DRAWS
        ]
        means[rate] = float(np.mean(found))
        regime = "scratch" if run is None else run.name
        say(f"{regime}, rate {rate:g}: {100 * means[rate]:.1f} on held-out images")
    return max(means, key=means.__getitem__)
