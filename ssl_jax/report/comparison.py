"""Several runs side by side, in numbers.

``comparison_page`` makes a page of them, ``comparison_table`` a table for the console.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.report import collapse
from ssl_jax.report.charts.curves import series
from ssl_jax.report.formatting import DASH, number, setting
from ssl_jax.report.verdicts import (
    CLASSIFIER_TITLE,
    ScoreRow,
    classifier_scores,
    own_scores,
    score_table,
)

TICK, CROSS = "\N{CHECK MARK}", "\N{MULTIPLICATION SIGN}"
MARKS = {"ahead": TICK, "level": "", "behind": CROSS, "unknown": ""}
_COMPILING_ROWS = 2  # the first rows of metrics.jsonl, which are slow
_ABSENT = object()


class Entry(NamedTuple):
    """The content of a run's folder.

    Attributes:
      name: unique name of the run.
      settings: ``config.json``, flat: ``data.name`` and so on.
      metrics: rows of ``metrics.jsonl``.
      values: ``evaluation.json``; empty if the run is unfinished.
      input_name: the raw input in words.
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Sequence[Mapping[str, float]] = ()
    values: Mapping[str, float] = {}
    input_name: str = "raw pixels"


class Row(NamedTuple):
    """A run in numbers, NaN if unknown.

    Attributes:
      name: of the run.
      method: name of the method.
      start: what the backbone started from, "from simclr" or "from scratch"; empty for a run that
        starts from scratch and learns no classes, as most do.
      network: name of the network.
      data: name of the data.
      holdout: number of training examples that replaced the test set.
      labeled: number of examples that the simple classifiers were fitted to.
      input_name: the raw input in words.
      step: the last logged step.
      steps: the number of steps to make.
      speed: median of examples per second, without the first rows.
      seconds: training time that was logged, summed over all sessions of the run.
      scores: of the features, by name.
      own: scores of the method's own task, by name; of a method that classifies, those beside its
        accuracy.
      health: verdict on collapse; None if nothing was logged.
      evaluated: whether there is an ``evaluation.json``.
    """

    name: str
    method: str
    start: str
    network: str
    data: str
    holdout: int
    labeled: float
    input_name: str
    step: float
    steps: float
    speed: float
    seconds: float
    scores: Mapping[str, ScoreRow]
    own: Mapping[str, float]
    health: collapse.Verdict | None
    evaluated: bool

    @property
    def state(self) -> str:
        """What the run lacks, in words; empty if it is finished."""
        if self.evaluated:
            return ""
        if self.step >= self.steps:
            return "trained, not evaluated yet"
        return "unfinished"

    @property
    def training(self) -> str:
        """The method, and what the backbone started from."""
        return f"{self.method} {self.start}".strip()

    @property
    def labels(self) -> str:
        """How many labels the scores rest on; empty if there are none, or if it is not known."""
        known = bool(self.scores) and math.isfinite(self.labeled)
        return f"{number(self.labeled)} labels" if known else ""

    @property
    def progress(self) -> str:
        """The step, and of an unfinished run the number of steps to make."""
        step = number(self.step)
        return step if self.evaluated else f"{step} of {number(self.steps)}"

    @property
    def short_health(self) -> str:
        """The verdict on collapse in a few words; a dash if it rests on nothing."""
        if self.health is None or self.health.text == "healthy":
            return DASH
        return self.health.text if self.health.healthy else self.health.text.partition(":")[0]


class Group(NamedTuple):
    """Runs that were scored on the same examples; scores of others cannot be compared.

    Attributes:
      title: the data, in words.
      input_name: the raw input in words.
      rows: the runs.
      scores: names of the scores that any of them has, that of a method's own classifier first.
      own: names of the methods' own scores that any of them has.
      labels_differ: whether the simple classifiers were fitted to different numbers of examples.
    """

    title: str
    input_name: str
    rows: Sequence[Row]
    scores: Sequence[str]
    own: Sequence[str]
    labels_differ: bool


def row(entry: Entry) -> Row:
    """Returns the numbers of a run."""
    settings, rows = entry.settings, entry.metrics
    is_own_method = "method.name" not in settings
    steps_made = [
        float(logged["step"]) for logged in (*rows[-1:], entry.values) if "step" in logged
    ]
    return Row(
        name=entry.name,
        method="a method of your own" if is_own_method else settings["method.name"],
        start=_start(settings),
        network="" if is_own_method else settings.get("network.name", ""),
        data=settings.get("data.name", DASH),
        holdout=settings.get("data.holdout") or 0,
        labeled=float(entry.values.get("train_examples", math.nan)),
        input_name=entry.input_name,
        step=max(steps_made, default=0.0),
        steps=float(settings.get("train.steps") or math.nan),
        speed=_speed(rows),
        seconds=_seconds(rows, settings.get("data.batch_size", math.nan)),
        scores={score.name: score for score in score_table(entry.values)},
        own=own_scores(entry.values) | classifier_scores(entry.values),
        health=collapse.verdict(rows, entry.values) if rows else None,
        evaluated=bool(entry.values),
    )


def groups(rows: Sequence[Row]) -> Iterator[Group]:
    """Yields the runs in groups that were scored on the same examples."""
    found: dict[tuple[str, int, str], list[Row]] = {}
    for each in rows:
        found.setdefault((each.data, each.holdout, each.input_name), []).append(each)
    for (data, holdout, input_name), members in found.items():
        yield Group(
            title=f"{data}, {holdout:,} training examples held out" if holdout else data,
            input_name=input_name,
            rows=members,
            scores=sorted(
                _union(each.scores for each in members), key=lambda name: name != CLASSIFIER_TITLE
            ),
            own=_union(each.own for each in members),
            labels_differ=len({each.labels for each in members if each.labels}) > 1,
        )


def differing(entries: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    """Returns the settings that are not the same in all runs, with one value per run."""
    found = []
    for key in sorted({key for entry in entries for key in entry.settings}):
        values = [entry.settings.get(key, _ABSENT) for entry in entries]
        if any(value != values[0] for value in values):
            found.append((key, list(map(_as_text, values))))
    return found


def speed_text(speed: float) -> str:
    """Returns a speed with three digits, which is all that a measurement is good for."""
    return number(float(f"{speed:.3g}"))


def spoken(key: str) -> str:
    """Returns the name of a method's own score in words."""
    return key.removeprefix("test_").replace("_", " ")


def _start(settings: Mapping[str, Any]) -> str:
    earlier = settings.get("init_from")
    if earlier:
        return f"from {PurePath(earlier).name}"
    return "from scratch" if "method.classes" in settings else ""


def _speed(rows: Sequence[Mapping[str, float]]) -> float:
    _, speeds = series(rows, "examples_per_second")
    if not len(speeds):
        return math.nan
    return float(np.median(speeds[min(_COMPILING_ROWS, len(speeds) - 1) :]))


def _seconds(rows: Sequence[Mapping[str, float]], batch_size: float) -> float:
    steps, speeds = series(rows, "examples_per_second")
    if not len(steps) or min(speeds) <= 0:
        return math.nan
    return float(np.sum(np.diff(steps, prepend=0.0) * batch_size / speeds))


def _union(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _as_text(value: Any) -> str:
    if value is _ABSENT:
        return DASH
    return value if isinstance(value, str) else setting(value)
