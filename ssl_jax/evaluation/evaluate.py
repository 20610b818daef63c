"""The evaluation of a run: features once, then every score beside its baselines."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source, batches
from ssl_jax.data.dataset import Subset
from ssl_jax.evaluation._rankme import rankme
from ssl_jax.evaluation.features import Embed, Extracted, extract, make_embed
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import MODALITIES
from ssl_jax.evaluation.scores import Judged, compare, judge
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
    settings = config.evaluation
    probed = _at_most(data.train, settings.train_examples)

    def both(embed: Embed) -> tuple[Extracted, Extracted]:
        return (
            extract(embed, probed, settings.batch_size, mesh),
            extract(embed, data.test, settings.batch_size, mesh),
        )

    train, test = both(make_embed(method, params, extra, settings.layers, mesh))
    values = {
        "step": config.train.steps,
        "examples": len(test.z),
        "train_examples": len(train.z),
        "features": test.z.shape[1],
        "rankme": rankme(test.z),
    }
    if train.y is None or test.y is None or np.bincount(train.y).max() < 2:
        return Findings(values, train, test, None, probed)

    def score(pair: tuple[Extracted, Extracted]) -> Judged:
        return judge(*pair, settings)

    stream = batches(data.pretrain, config.data.batch_size, seed=config.seed)
    first_params, first_extra = untrained(method, stream, init_key, mesh)
    stream.close()
    start = make_embed(method, first_params, first_extra, settings.layers, mesh)
    learned = score((train, test))
    baselines = {"random_init": score(both(start)), "input": score(both(raw_input))}
    values |= dict(compare(learned, baselines))
    return Findings(values, train, test, learned.predictions, probed)


def _at_most(source: Source, count: int) -> Source:
    """The source, or ``count`` of its examples, always the same."""
    if len(source) <= count:
        return source
    chosen = np.random.default_rng(0).permutation(len(source))[:count]
    return Subset(source, np.sort(chosen))
