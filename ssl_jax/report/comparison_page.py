"""``comparison.html``: one self-contained page that shows several runs side by side."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ssl_jax.report.charts.curves import curve, curves
from ssl_jax.report.comparison import MARKS, Entry, Row, differing, groups, row, speed_text
from ssl_jax.report.formatting import duration
from ssl_jax.report.own_task import beside_yardsticks
from ssl_jax.report.templates import fill
from ssl_jax.report.verdicts import CLASSIFIER_TITLE


class _Page(NamedTuple):
    title: str
    facts: Mapping[str, str]


def render(entries: Sequence[Entry]) -> str:
    """Returns the page as HTML; the same bytes for the same input."""
    rows = list(map(row, entries))
    facts = {
        "runs": f"{len(rows):,}",
        "evaluated": f"{sum(each.evaluated for each in rows):,}",
        "data": ", ".join(dict.fromkeys(each.data for each in rows)),
    }
    return fill(
        "comparison.html",
        page=_Page("Comparison of runs", facts),
        headline=_headline(rows),
        notes=list(_notes(rows)),
        groups=[
            group._asdict()
            | {
                "positions": {name: positions(name, group.rows) for name in group.scores},
                "classifies": CLASSIFIER_TITLE in group.scores,
                "own": [line for each in group.rows for line in _own_lines(each)],
            }
            for group in groups(rows)
        ],
        figures=list(map(_figure, range(len(rows)), entries, rows)),
        shared=list(_shared_charts(entries, rows)),
        training=_training(rows),
        names=[each.name for each in rows],
        settings=differing(entries),
        marks=MARKS,
    )


def _headline(rows: Sequence[Row]) -> str:
    scored = [each for each in rows if each.scores]
    if not any(each.evaluated for each in rows):
        return "None of these runs has been evaluated yet."
    if not scored:
        return "There are no labels to score the features with; see the other numbers."
    ahead = [each for each in scored if {s.verdict for s in each.scores.values()} == {"ahead"}]
    return (
        f"{len(ahead)} of {len(scored)} evaluated run{'s' if len(scored) > 1 else ''} beat"
        f"{'s' if len(ahead) == 1 else ''} both the untrained network and the raw input in every "
        "score."
    )


def _notes(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yields what is wrong or missing, by run."""
    for each in rows:
        if each.state:
            unfinished = each.step < each.steps
            made = f"at step {each.progress}" if unfinished else f"{each.progress} steps"
            yield each.name, f"{each.state}, {made}"
        if each.health is not None and not each.health.healthy:
            yield each.name, each.health.text


def positions(name: str, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Returns where each run's numbers lie on the common scale of a score, as CSS percentages."""
    scores = {each.name: each.scores[name] for each in rows if name in each.scores}
    values = {
        run: {"raw": score.input, "untrained": score.random_init, "learned": score.learned}
        for run, score in scores.items()
    }
    finite = [x for of_run in values.values() for x in of_run.values() if math.isfinite(x)] or [0.0]
    low, width = min(finite), max(max(finite) - min(finite), 1e-9)
    return {
        run: {
            key: f"{100 * (value - low) / width:.1f}%"
            for key, value in of_run.items()
            if math.isfinite(value)
        }
        for run, of_run in values.items()
    }


def _own_lines(each: Row) -> Iterator[tuple[str, str, str, str]]:
    """Yields a run's own scores: the run's name in the first line, score, value and yardsticks."""
    table = beside_yardsticks(each.own)
    for number, (score, (value, *others)) in enumerate(table.rows if table else ()):
        assert table is not None
        known = zip(table.yardsticks, others, strict=True)
        yardsticks = "; ".join(f"{name} {other}" for name, other in known if other)
        yield each.name if number == 0 else "", score, value, yardsticks


def _figure(number: int, entry: Entry, each: Row) -> dict[str, Any]:
    """Returns a small chart of a run's loss."""
    return {
        "row": each,
        "svg": curve(
            entry.metrics, "loss", "loss", 104, name=f"loss{number}", dashed="chance_loss"
        ),
        "chance": any("chance_loss" in logged for logged in entry.metrics),
    }


def _shared_charts(entries: Sequence[Entry], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yields a chart of the losses of all runs with the same method and data."""
    runs: dict[tuple[str, str], dict[str, Sequence[Mapping[str, float]]]] = {}
    for entry, each in zip(entries, rows, strict=True):
        runs.setdefault((each.method, each.data), {})[each.name] = entry.metrics
    for i, ((method, data), metrics) in enumerate(runs.items()):
        drawn = curves(metrics, "loss", "loss", 150, f"losses{i}")
        if drawn is not None:
            yield {"title": f"{method} on {data}", "svg": drawn.svg, "legend": drawn.legend}


def _training(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns the rows of the table on training, with speeds relative to the fastest run."""
    fastest = max((each.speed for each in rows if math.isfinite(each.speed)), default=1.0)
    return [
        {
            "row": each,
            "speed": speed_text(each.speed),
            "share": f"{each.speed / fastest:.3f}" if math.isfinite(each.speed) else "0",
            "time": duration(each.seconds),
        }
        for each in rows
    ]
