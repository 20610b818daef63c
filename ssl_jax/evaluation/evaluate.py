"""The evaluation of a run: features once, then every score beside its baselines."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source, batches
from ssl_jax.data.dataset import Subset
from ssl_jax.evaluation._rankme import rankme
from ssl_jax.evaluation.features import Embed, Extracted, extract, make_embed, mean_scores
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import MODALITIES
from ssl_jax.evaluation.scores import compare, judge, linear_top1
from ssl_jax.evaluation.untrained import untrained
from ssl_jax.methods.base import Method


def evaluate(
    method: Method,
    params: Any,
    extra: Any,
    data: Dataset,
    config: ConfigDict,
    init_key: jax.Array,
    mesh: Mesh,
) -> Findings:
    """Score the learned features, the same network's untrained, and the raw input.

    Args:
      method: the method.
      params: learned.
      extra: learned.
      data: whose ``train`` fits the probes and whose ``test`` scores them.
      config: resolved.
      init_key: that the training started from.
      mesh: of all devices.

    Returns:
      The findings; without labels, or with none that occurs twice, only the label-free ones.
    """
    settings, modality = config.evaluation, MODALITIES[config.data.modality]
    probed = _at_most(data.train, settings.train_examples)

    def both(embed: Embed) -> tuple[Extracted, Extracted]:
        return (
            extract(embed, probed, settings.batch_size, mesh),
            extract(embed, data.test, settings.batch_size, mesh),
        )

    def learned_layers(layers: Sequence[str]) -> tuple[Extracted, Extracted]:
        return both(make_embed(method, params, extra, layers, mesh))

    train, test = learned_layers(settings.layers)
    values = {
        "step": config.train.steps,
        "examples": len(test.z),
        "train_examples": len(train.z),
        "features": test.z.shape[1],
        "rankme": rankme(test.z),
    }
    own = mean_scores(method, params, extra, data.test, init_key, settings.batch_size, mesh)
    values |= {f"test_{name}": value for name, value in own.items()}
    values |= dict(modality.scores(data, values))
    if train.y is None or test.y is None or np.bincount(train.y).max() < 2:
        return Findings(values, train, test, None, probed)

    stream = batches(data.pretrain, config.data.batch_size, seed=config.seed)
    first_params, first_extra = untrained(method, stream, init_key, mesh)
    stream.close()

    def untrained_layers(layers: Sequence[str]) -> tuple[Extracted, Extracted]:
        return both(make_embed(method, first_params, first_extra, layers, mesh))

    sets = {
        "learned": (train, test),
        "random_init": untrained_layers(settings.layers),
        "input": both(modality.raw_input(config.data)),
    }
    predictions = None
    for column in ("label", *data.further_labels):
        judged = {
            name: judge(fitted.labelled(column), scored.labelled(column), settings)
            for name, (fitted, scored) in sets.items()
        }
        learned = judged.pop("learned")
        prefix = "" if column == "label" else f"{column}_"
        values |= dict(compare(learned, judged, prefix))
        predictions = learned.predictions if column == "label" else predictions
    for layer in settings.probe_layers:
        for prefix, layers in (("", learned_layers), ("random_init_", untrained_layers)):
            values[f"{prefix}probe_{layer}_top1"] = linear_top1(*layers((layer,)))
    return Findings(values, train, test, predictions, probed)


def _at_most(source: Source, count: int) -> Source:
    """The source, or ``count`` of its examples, always the same."""
    if len(source) <= count:
        return source
    chosen = np.random.default_rng(0).permutation(len(source))[:count]
    return Subset(source, np.sort(chosen))
