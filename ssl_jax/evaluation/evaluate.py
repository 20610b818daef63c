"""Evaluates a run: extracts features once, then computes every score and its baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source, training_batches
from ssl_jax.data.dataset import Subset
from ssl_jax.errors import InputError
from ssl_jax.evaluation import scores
from ssl_jax.evaluation.classes import Classified, classify
from ssl_jax.evaluation.features import (
    Embed,
    Extracted,
    extract,
    make_embed,
    make_predict,
    mean_scores,
)
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import INPUTS
from ssl_jax.evaluation.probes import ProbeResults, linear_top1, run_probes
from ssl_jax.evaluation.rank import rankme
from ssl_jax.evaluation.scores import PROBE, Score
from ssl_jax.evaluation.untrained import untrained
from ssl_jax.methods.base import Method
from ssl_jax.placement import Placement


def evaluate(
    method: Method,
    params: Any,
    extra: Any,
    data: Dataset,
    config: ConfigDict,
    init_key: jax.Array,
    placement: Placement,
) -> Findings:
    """Scores the learned features, those of the same network untrained, and the raw input.

    Args:
      method: the method.
      params: its trained parameters.
      extra: its trained other state.
      data: probes are fitted to ``train`` and scored on ``test``.
      config: resolved.
      init_key: the key that training started from.
      placement: where the arrays live.

    Returns:
      The findings. Without labels, or if no label occurs twice, they hold label-free scores only.

    Raises:
      InputError: the learned features are not finite.
    """
    settings, inputs = config.evaluation, INPUTS[config.data.modality]
    probed = at_most(data.train, settings.train_examples)

    def extract_both(embed: Embed) -> tuple[Extracted, Extracted]:
        return (
            extract(embed, probed, settings.batch_size, placement),
            extract(embed, data.test, settings.batch_size, placement),
        )

    def learned_layers(layers: Sequence[str]) -> tuple[Extracted, Extracted]:
        return extract_both(make_embed(method, params, extra, layers, placement))

    train, test = learned_layers(settings.layers)
    _check_finite(train, test)
    values = {
        "step": config.train.steps,
        "examples": len(test.z),
        "train_examples": len(train.z),
        "features": test.z.shape[1],
        "rankme": rankme(test.z),
    }
    own_scores = mean_scores(
        method, params, extra, data.test, init_key, settings.batch_size, placement
    )
    values |= {f"test_{name}": value for name, value in own_scores.items()}
    values |= dict(inputs.scores(data, config, values))
    classified = None
    if method.predict is not None and test.y is not None:
        predict = make_predict(method, params, extra, placement)
        logits = extract(predict, data.test, settings.batch_size, placement).z
        classified = classify(logits, test.y)
    if train.y is None or test.y is None or np.bincount(train.y).max() < 2:
        values |= _of_classifier(classified, {})
        return Findings(values, train, test, classified and classified.predictions, probed)

    stream = training_batches(data, method.inputs, config.data.batch_size, seed=config.seed)
    first_params, first_extra = untrained(method, stream, init_key, placement)
    stream.close()

    def untrained_layers(layers: Sequence[str]) -> tuple[Extracted, Extracted]:
        return extract_both(make_embed(method, first_params, first_extra, layers, placement))

    sets = {
        "learned": (train, test),
        "random_init": untrained_layers(settings.layers),
        "input": extract_both(inputs.raw(config.data)),
    }
    linear_sets = sets
    if settings.linear_layers:
        linear_sets = {
            "learned": learned_layers(settings.linear_layers),
            "random_init": untrained_layers(settings.linear_layers),
            "input": sets["input"],
        }
    predictions = None
    for column in ("label", *data.further_labels):
        results = {
            name: run_probes(
                fitted.labeled(column),
                scored.labeled(column),
                settings,
                linear=[part.z for part in linear_sets[name]],
            )
            for name, (fitted, scored) in sets.items()
        }
        learned = results.pop("learned")
        if column == "label":
            values |= _of_classifier(classified, results)
            predictions = (classified or learned).predictions
        values |= scores.write(scores.compare(learned, results, column))
        prefix = "" if column == "label" else f"{column}_"
        values[f"{prefix}linear_top5"] = learned.top5
    for layer in settings.probe_layers:
        learned_top1 = linear_top1(*learned_layers((layer,)))
        untrained_top1 = linear_top1(*untrained_layers((layer,)))
        score = Score(PROBE, learned_top1, {"random_init": untrained_top1}, layer=layer)
        values |= scores.write([score])
    return Findings(values, train, test, predictions, probed)


def _check_finite(*sets: Extracted) -> None:
    """Refuses features of a run that has diverged.

    Raises:
      InputError: a feature is NaN or infinite.
    """
    bad = sum(int((~np.isfinite(each.z)).any(axis=1).sum()) for each in sets)
    if bad:
        total = sum(len(each.z) for each in sets)
        raise InputError(
            f"optimizer.learning_rate: the run has diverged, the features of {bad:,} of {total:,} "
            "examples are not finite; expected a rate that keeps them finite"
        )


def _of_classifier(
    classified: Classified | None, baselines: Mapping[str, ProbeResults]
) -> dict[str, float]:
    """Returns the scores of the method's own predictions, if it makes any."""
    if classified is None:
        return {}
    score = scores.of_classifier(classified.correct, baselines)
    further = {"top5": classified.top5, "balanced_accuracy": classified.balanced}
    return scores.write([score]) | further


def scored(data: Dataset, settings: ConfigDict) -> Dataset:
    """Returns the data with at most ``test_examples`` test examples; see ``at_most``."""
    return data._replace(test=at_most(data.test, settings.test_examples))


def at_most(source: Source, count: int) -> Source:
    """Returns the source, or a fixed random choice of ``count`` of its examples."""
    if len(source) <= count:
        return source
    chosen = np.random.default_rng(0).permutation(len(source))[:count]
    return Subset(source, np.sort(chosen))
