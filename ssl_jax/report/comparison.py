"""Several runs side by side: ``comparison.html``, and a table for the console."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ssl_jax.report import charts, collapse
from ssl_jax.report.formatting import DASH, duration, number, percent, printable, setting
from ssl_jax.report.templates import fill
from ssl_jax.report.verdicts import ScoreRow as Score
from ssl_jax.report.verdicts import own_scores, score_table

_STARTING = 2  # rows of metrics.jsonl whose speed is that of compiling
_TICK, _CROSS = "\N{CHECK MARK}", "\N{MULTIPLICATION SIGN}"
_MARKS = {"ahead": _TICK, "level": "", "behind": _CROSS, "unknown": ""}
_STYLES = {"ahead": "green", "level": "dim", "behind": "red", "unknown": "dim"}
_ABSENT = object()


class Entry(NamedTuple):
    """What a run's folder holds.

    Attributes:
      name: of the run; no two have the same.
      settings: ``config.json``, flat: ``data.name`` and so on.
      metrics: rows of ``metrics.jsonl``.
      values: ``evaluation.json``; empty if the run is unfinished.
      input_name: what the baseline without a network is.
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Sequence[Mapping[str, float]] = ()
    values: Mapping[str, float] = {}
    input_name: str = "raw pixels"


class Row(NamedTuple):
    """A run in numbers, NaN where there is none.

    Attributes:
      name: of the run.
      method: its name.
      network: its name.
      data: its name.
      holdout: training examples that stood in for the test set.
      input_name: what the baseline without a network is.
      step: the last one logged.
      steps: how many were wanted.
      speed: examples a second: the median, without the first rows.
      seconds: of training, as far as was logged; of a run in several goes the sum.
      scores: of the features, by name.
      own: what the method's own task scores, by name.
      health: of the embeddings; None if nothing was logged.
      evaluated: whether there is an ``evaluation.json``.
    """

    name: str
    method: str
    network: str
    data: str
    holdout: int
    input_name: str
    step: float
    steps: float
    speed: float
    seconds: float
    scores: Mapping[str, Score]
    own: Mapping[str, float]
    health: collapse.Verdict | None
    evaluated: bool

    @property
    def state(self) -> str:
        """What is left to do, in words; empty if nothing is."""
        if self.evaluated:
            return ""
        if self.step >= self.steps:
            return "trained, not evaluated yet"
        return "unfinished"


class _Page(NamedTuple):
    title: str
    facts: Mapping[str, str]


def row(entry: Entry) -> Row:
    """The numbers of a run."""
    settings, rows = entry.settings, entry.metrics
    own_method = "method.name" not in settings
    done = [float(each["step"]) for each in (*rows[-1:], entry.values) if "step" in each]
    return Row(
        name=entry.name,
        method="a method of your own" if own_method else settings["method.name"],
        network="" if own_method else settings.get("network.name", ""),
        data=settings.get("data.name", DASH),
        holdout=settings.get("data.holdout") or 0,
        input_name=entry.input_name,
        step=max(done, default=0.0),
        steps=float(settings.get("train.steps") or math.nan),
        speed=_speed(rows),
        seconds=_seconds(rows, settings.get("data.batch_size", math.nan)),
        scores={score.name: score for score in score_table(entry.values)},
        own=own_scores(entry.values),
        health=collapse.verdict(rows, entry.values) if rows else None,
        evaluated=bool(entry.values),
    )


def differing(entries: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs, each with a value a run."""
    found = []
    for key in sorted({key for entry in entries for key in entry.settings}):
        values = [entry.settings.get(key, _ABSENT) for entry in entries]
        if any(value != values[0] for value in values):
            found.append((key, list(map(_written, values))))
    return found


def tables(entries: Sequence[Entry]) -> list[Table]:
    """The runs for the console, a row a run, and a table for each data set."""
    return [_table(group) for group in _groups(list(map(row, entries)))]


def _table(group: Mapping[str, Any]) -> Table:
    scores, own = group["scores"], group["own"]
    caption = (
        f"Below each score: the untrained network's, and that of the {group['input_name']}. "
        f"{_TICK} ahead of both, {_CROSS} behind one, by more than twice the paired standard error."
    )
    shown = Table(
        box=box.SIMPLE,
        title=Text(printable(group["title"]), "bold"),
        title_justify="left",
        caption=caption if scores else None,
        caption_justify="left",
    )
    shown.add_column("run", overflow="fold")
    shown.add_column("method", overflow="fold")
    for title in ("steps", "examples/s", "time", *scores):
        shown.add_column(title, justify="right", max_width=16)
    for title in (*["own task"] * bool(own), "embeddings"):
        shown.add_column(title, max_width=26)
    for each in group["rows"]:
        shown.add_row(
            Text.assemble(
                printable(each.name), (f"\n{each.state}" if each.state else "", "yellow")
            ),
            Text(printable(each.method)),
            _steps(each),
            number(_rounded(each.speed)),
            duration(each.seconds),
            *(_score(each.scores.get(name)) for name in scores),
            *["\n".join(f"{_spoken(k)} {number(v)}" for k, v in each.own.items()) or DASH]
            * bool(own),
            _brief(each.health),
        )
    return shown


def render(entries: Sequence[Entry]) -> str:
    """The page as HTML; the same bytes for the same input."""
    rows = list(map(row, entries))
    data = list(dict.fromkeys(each.data for each in rows))
    facts = {
        "runs": f"{len(rows):,}",
        "evaluated": f"{sum(each.evaluated for each in rows):,}",
        "data": ", ".join(data),
    }
    fastest = max((each.speed for each in rows if math.isfinite(each.speed)), default=1.0)
    return fill(
        "comparison.html",
        page=_Page("Comparison of runs", facts),
        headline=_headline(rows),
        notes=list(_notes(rows)),
        groups=list(_groups(rows)),
        figures=_figures(entries, rows),
        shared=list(_shared(entries, rows)),
        training=[
            {
                "row": each,
                "steps": _steps(each),
                "speed": number(_rounded(each.speed)),
                "share": f"{each.speed / fastest:.3f}" if math.isfinite(each.speed) else "0",
                "time": duration(each.seconds),
                "health": _brief(each.health),
            }
            for each in rows
        ],
        names=[each.name for each in rows],
        settings=differing(entries),
        marks=_MARKS,
        spoken=_spoken,
    )


def _written(value: Any) -> str:
    if value is _ABSENT:
        return DASH
    return value if isinstance(value, str) else setting(value)


def _speed(rows: Sequence[Mapping[str, float]]) -> float:
    _, speeds = charts.series(rows, "examples_per_second")
    if not len(speeds):
        return math.nan
    return float(np.median(speeds[min(_STARTING, len(speeds) - 1) :]))


def _seconds(rows: Sequence[Mapping[str, float]], batch_size: float) -> float:
    steps, speeds = charts.series(rows, "examples_per_second")
    if not len(steps) or min(speeds) <= 0:
        return math.nan
    return float(np.sum(np.diff(steps, prepend=0.0) * batch_size / speeds))


def _rounded(speed: float) -> float:
    """Three digits are more than a speed has."""
    return float(f"{speed:.3g}")


def _union(each: Iterator[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for names in each for name in names))


def _spoken(key: str) -> str:
    return key.removeprefix("test_").replace("_", " ")


def _steps(each: Row) -> str:
    step = number(each.step)
    return step if each.evaluated else f"{step} of {number(each.steps)}"


def _brief(health: collapse.Verdict | None) -> str:
    """The verdict in short; a dash if it rests on nothing."""
    if health is None or health.text == "healthy":
        return DASH
    return health.text if health.healthy else health.text.partition(":")[0]


def _score(score: Score | None) -> Text:
    if score is None:
        return Text(DASH)
    style = _STYLES[score.verdict]
    baselines = f"{percent(score.random_init)} {percent(score.input)}"
    return Text.assemble(
        (percent(score.learned), "bold"),
        (f" {_MARKS[score.verdict] or ' '}", style),
        (f"\n{baselines}", "dim"),
    )


def _headline(rows: Sequence[Row]) -> str:
    scored = [each for each in rows if each.scores]
    if not any(each.evaluated for each in rows):
        return "None of these runs has been evaluated yet."
    if not scored:
        return "There are no labels to score the features with; look at the other numbers."
    ahead = [each for each in scored if {s.verdict for s in each.scores.values()} == {"ahead"}]
    return (
        f"{len(ahead)} of {len(scored)} evaluated run{'s' if len(scored) > 1 else ''} beat"
        f"{'s' if len(ahead) == 1 else ''} both the untrained network and the raw input in every "
        "score."
    )


def _notes(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """What is wrong or missing, by run."""
    for each in rows:
        if each.state:
            at = f"at step {_steps(each)}" if each.step < each.steps else f"{_steps(each)} steps"
            yield each.name, f"{each.state}, {at}"
        if each.health is not None and not each.health.healthy:
            yield each.name, each.health.text


def _groups(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The runs by what they were scored on, since no other scores compare."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for each in rows:
        groups.setdefault((each.data, each.holdout, each.input_name), []).append(each)
    for (data, holdout, input_name), members in groups.items():
        scores = _union(each.scores for each in members)
        held = f", {holdout:,} training examples held out" if holdout else ""
        yield {
            "title": f"{data}{held}",
            "input_name": input_name,
            "rows": members,
            "scores": scores,
            "own": _union(each.own for each in members),
            "marks": {name: _marks(name, members) for name in scores},
        }


def _marks(name: str, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Where on the common scale of a score each run's numbers lie, as CSS takes it."""
    found = {each.name: each.scores[name] for each in rows if name in each.scores}
    numbers = [x for s in found.values() for x in (s.learned, s.random_init, s.input)]
    finite = [x for x in numbers if math.isfinite(x)] or [0.0]
    low, width = min(finite), max(max(finite) - min(finite), 1e-9)

    def place(value: float) -> str:
        return f"{100 * (value - low) / width:.1f}%"

    placed = {}
    for run, score in found.items():
        places = {
            key: place(value)
            for key, value in (("raw", score.input), ("untrained", score.random_init))
            if math.isfinite(value)
        }
        if math.isfinite(score.learned):
            places["learned"] = place(score.learned)
        placed[run] = places
    return placed


def _figures(entries: Sequence[Entry], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A small chart of the loss for each run."""
    return [
        {
            "row": each,
            "svg": charts.curve(
                entry.metrics, "loss", "loss", 104, name=f"loss{i}", dashed="chance_loss"
            ),
            "chance": any("chance_loss" in logged for logged in entry.metrics),
        }
        for i, (entry, each) in enumerate(zip(entries, rows, strict=True))
    ]


def _shared(entries: Sequence[Entry], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """A chart of the losses of those that share method and data."""
    groups: dict[tuple[str, str], dict[str, Sequence[Mapping[str, float]]]] = {}
    for entry, each in zip(entries, rows, strict=True):
        groups.setdefault((each.method, each.data), {})[each.name] = entry.metrics
    for i, ((method, data), runs) in enumerate(groups.items()):
        drawn = charts.curves(runs, "loss", "loss", 150, f"losses{i}")
        if drawn is not None:
            yield {"title": f"{method} on {data}", "svg": drawn.svg, "legend": drawn.legend}
