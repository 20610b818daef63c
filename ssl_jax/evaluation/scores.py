"""The record of a score and its baselines, and its flat form in ``evaluation.json``."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ssl_jax.evaluation import vote as voting
from ssl_jax.evaluation.paired import paired_standard_error
from ssl_jax.evaluation.probes import ProbeResults
from ssl_jax.evaluation.vote import Vote

BASELINES = ("random_init", "input")
METRICS = ("knn_top1", "linear_top1", "linear100_top1")
KNN, PROBE = "knn_top1", "probe_top1"
CLASSIFIER = "top1"
_LABEL = "label"
_KEY = re.compile(
    rf"(?:(?P<column>\w+)_)?(?P<metric>{'|'.join(METRICS)})|probe_(?P<layer>\w+)_top1|{CLASSIFIER}"
)


class Score(NamedTuple):
    """An accuracy of the learned features and those of the baselines, all from 0 to 1.

    Attributes:
      metric: one of ``METRICS``; ``CLASSIFIER``: the method's own predictions, beside the linear
        probes of the baselines; or ``PROBE``: the linear probe of a single layer.
      value: the accuracy of the learned features.
      baselines: the accuracies of ``random_init``, the same network untrained, and of ``input``,
        the raw input.
      errors: by baseline, the paired standard error of the lead over it.
      column: which labels are predicted.
      layer: which layer ``PROBE`` is about; empty for other metrics.
      votes: how the neighbors of ``learned`` and of each baseline voted; only for ``KNN``.
    """

    metric: str
    value: float
    baselines: Mapping[str, float] = {}
    errors: Mapping[str, float] = {}
    column: str = _LABEL
    layer: str = ""
    votes: Mapping[str, Vote] = {}

    @property
    def key(self) -> str:
        """The name in the flat form: ``knn_top1``, ``motion_knn_top1``, ``probe_stage1_top1``."""
        if self.metric == PROBE:
            return f"probe_{self.layer}_top1"
        return self.metric if self.column == _LABEL else f"{self.column}_{self.metric}"


def of_classifier(correct: np.ndarray, baselines: Mapping[str, ProbeResults]) -> Score:
    """Returns the score of a method's own predictions, beside the baselines' linear probes.

    Args:
      correct: whether each test example is classified correctly, bool ``[m]``.
      baselines: results of the baselines, by name.
    """
    probes = {name: results.correct["linear_top1"] for name, results in baselines.items()}
    return Score(
        CLASSIFIER,
        float(correct.mean()),
        {name: float(right.mean()) for name, right in probes.items()},
        _errors_of_leads(correct, probes),
    )


def compare(
    learned: ProbeResults, baselines: Mapping[str, ProbeResults], column: str
) -> Iterator[Score]:
    """Yields one score per metric.

    Args:
      learned: results of the trained network's features.
      baselines: results of the baselines, by name.
      column: which labels were predicted.
    """
    votes = {name: results.vote for name, results in ({"learned": learned, **baselines}).items()}
    for metric, correct in learned.correct.items():
        of_baselines = {name: results.correct[metric] for name, results in baselines.items()}
        yield Score(
            metric,
            float(correct.mean()),
            {name: float(right.mean()) for name, right in of_baselines.items()},
            _errors_of_leads(correct, of_baselines),
            column,
            votes=votes if metric == KNN else {},
        )


def write(scores: Iterable[Score]) -> dict[str, float]:
    """Returns the flat form: ``knn_top1``, ``input_knn_top1``, ``knn_top1_minus_input_se``, ..."""
    values = {}
    for score in scores:
        values[score.key] = score.value
        for name, value in score.baselines.items():
            values[_baseline(name, score.key)] = value
            if name in score.errors:
                values[_error(name, score.key)] = score.errors[name]
        values |= voting.write(score.votes, _prefixes(score.column))
    return values


def read(values: Mapping[str, float]) -> list[Score]:
    """Returns the scores in ``evaluation.json``, in its order.

    Numbers that it lacks are absent from ``baselines`` and ``errors``.
    """
    prefixes = tuple(_baseline(name, "") for name in BASELINES)
    matches = [_KEY.fullmatch(key) for key in values if not key.startswith(prefixes)]
    return [_read(match, values) for match in matches if match]


def _read(match: re.Match[str], values: Mapping[str, float]) -> Score:
    key, found = match[0], match.groupdict()
    column = found["column"] or _LABEL

    def numbers(name_of: Callable[[str, str], str]) -> dict[str, float]:
        return {
            name: values[name_of(name, key)] for name in BASELINES if name_of(name, key) in values
        }

    return Score(
        metric=found["metric"] or (PROBE if found["layer"] else CLASSIFIER),
        value=values[key],
        baselines=numbers(_baseline),
        errors=numbers(_error),
        column=column,
        layer=found["layer"] or "",
        votes=voting.read(values, _prefixes(column)) if found["metric"] == KNN else {},
    )


def _errors_of_leads(correct: np.ndarray, baselines: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the paired standard error of each lead; a single test example has none."""
    if correct.shape[-1] < 2:
        return {}
    return {name: paired_standard_error(correct, right) for name, right in baselines.items()}


def _prefixes(column: str) -> dict[str, str]:
    """Returns what the keys of a vote start with, for ``learned`` and each baseline."""
    of_column = "" if column == _LABEL else f"{column}_"
    return {"learned": of_column} | {name: _baseline(name, of_column) for name in BASELINES}


def _baseline(name: str, key: str) -> str:
    return f"{name}_{key}"


def _error(name: str, key: str) -> str:
    return f"{key}_minus_{name}_se"
