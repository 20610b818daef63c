"""The record of a score beside its baselines, and its flat form in ``evaluation.json``."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ssl_jax.evaluation.paired import paired_standard_error
from ssl_jax.evaluation.probes import ProbeResults

BASELINES = ("random_init", "input")
METRICS = ("knn_top1", "linear_top1", "linear100_top1")
PROBE = "probe_top1"
_LABEL = "label"
_KEY = re.compile(
    rf"(?:(?P<column>\w+)_)?(?P<metric>{'|'.join(METRICS)})|probe_(?P<layer>\w+)_top1"
)


class Score(NamedTuple):
    """A score of the learned features beside those of the baselines, all from 0 to 1.

    Attributes:
      metric: one of ``METRICS``, or ``PROBE``: the linear probe of one layer alone.
      value: of the learned features.
      baselines: by name: ``random_init``, the same network untrained; ``input``, the raw input.
      errors: by baseline, the paired standard error of the lead over it.
      column: the labels that are predicted.
      layer: of ``PROBE``.
    """

    metric: str
    value: float
    baselines: Mapping[str, float] = {}
    errors: Mapping[str, float] = {}
    column: str = _LABEL
    layer: str = ""

    @property
    def key(self) -> str:
        """The name in the flat form: ``knn_top1``, ``motion_knn_top1``, ``probe_stage1_top1``."""
        if self.metric == PROBE:
            return f"probe_{self.layer}_top1"
        return self.metric if self.column == _LABEL else f"{self.column}_{self.metric}"


def compare(
    learned: ProbeResults, baselines: Mapping[str, ProbeResults], column: str
) -> Iterator[Score]:
    """Yields each metric's score.

    Args:
      learned: of the trained network.
      baselines: by name.
      column: the labels that were predicted.
    """
    for metric, correct in learned.correct.items():
        theirs = {name: results.correct[metric] for name, results in baselines.items()}
        yield Score(
            metric,
            float(correct.mean()),
            {name: float(right.mean()) for name, right in theirs.items()},
            {name: paired_standard_error(correct, right) for name, right in theirs.items()},
            column,
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
    return values


def read(values: Mapping[str, float]) -> list[Score]:
    """Returns the scores in ``evaluation.json``, in its order; numbers may be missing."""
    prefixes = tuple(_baseline(name, "") for name in BASELINES)
    matches = [_KEY.fullmatch(key) for key in values if not key.startswith(prefixes)]
    return [_read(match, values) for match in matches if match]


def _read(match: re.Match[str], values: Mapping[str, float]) -> Score:
    key, found = match[0], match.groupdict()

    def numbers(name_of: Callable[[str, str], str]) -> dict[str, float]:
        return {
            name: values[name_of(name, key)] for name in BASELINES if name_of(name, key) in values
        }

    return Score(
        metric=found["metric"] or PROBE,
        value=values[key],
        baselines=numbers(_baseline),
        errors=numbers(_error),
        column=found["column"] or _LABEL,
        layer=found["layer"] or "",
    )


def _baseline(name: str, key: str) -> str:
    return f"{name}_{key}"


def _error(name: str, key: str) -> str:
    return f"{key}_minus_{name}_se"
