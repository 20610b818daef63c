"""Charts of metrics against the training step."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ssl_jax.report.charts.style import ACCENT, MUTED, PALETTE, WIDTH, page_style, to_svg

_POINTS = 1000  # of a line, at most
Rows = Sequence[Mapping[str, float]]


class Curves(NamedTuple):
    """A chart of several runs, and its legend: (color, whether dashed, run)."""

    svg: Markup
    legend: list[tuple[str, bool, str]]


def curve(
    rows: Rows,
    key: str,
    title: str,
    height: float,
    *,
    name: str | None = None,
    dashed: str | None = None,
) -> Markup | None:
    """Draws a metric of one run: the logged values faint, their running mean bold.

    Args:
      rows: of metrics.jsonl; values that are not finite are skipped.
      key: the metric.
      title: of the chart.
      height: of the chart in points.
      name: of the chart, unique on the page; by default the key.
      dashed: a metric to draw as a dashed line for comparison, if it was logged.

    Returns:
      The chart; None if fewer than two values are finite.
    """
    steps, values = series(rows, key)
    if len(steps) < 2:
        return None
    mean = running_mean(values, window(values))
    every = _stride(steps)
    with page_style():
        figure, axes = _axes(title, height)
        axes.plot(steps[::every], values[::every], color=ACCENT, alpha=0.35, linewidth=0.8)
        axes.plot(steps[::every], mean[::every], color=ACCENT, linewidth=1.6)
        if dashed is not None:
            others = series(rows, dashed)
            axes.plot(*others, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        return to_svg(figure, name or key, f"{title} against the step")


def curves(
    runs: Mapping[str, Rows],
    key: str,
    title: str,
    height: float,
    name: str,
) -> Curves | None:
    """Draws the running mean of a metric for several runs in one chart.

    Args:
      runs: rows of metrics.jsonl, by the name of the run.
      key: the metric.
      title: of the chart.
      height: of the chart in points.
      name: of the chart, unique on the page.

    Returns:
      The chart; None if fewer than two runs have two finite values.
    """
    lines = {run: series(rows, key) for run, rows in runs.items()}
    lines = {run: line for run, line in lines.items() if len(line[0]) > 1}
    if len(lines) < 2:
        return None
    legend = []
    with page_style():
        figure, axes = _axes(title, height)
        for index, (run, (steps, values)) in enumerate(lines.items()):
            color, dashed = PALETTE[index % len(PALETTE)], index // len(PALETTE) % 2 == 1
            mean, every = running_mean(values, window(values)), _stride(steps)
            style = (0, (4, 2)) if dashed else "-"
            axes.plot(steps[::every], mean[::every], color=color, linewidth=1.4, linestyle=style)
            legend.append((color, dashed, run))
        return Curves(to_svg(figure, name, f"{title} of several runs against the step"), legend)


def series(rows: Rows, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps [n] and the finite values [n] of a metric."""
    pairs = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.array(pairs, float).reshape(-1, 2).T
    finite = np.isfinite(values)
    return steps[finite], values[finite]


def window(values: np.ndarray) -> int:
    """Returns the width of the running mean of [n] logged values."""
    return max(1, len(values) // 25)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the mean of [n] values over a centered window, cut short at both ends: [n]."""
    before, after = (window - 1) // 2, window // 2 + 1
    sums = np.concatenate([[0.0], np.cumsum(values)])
    indices = np.arange(len(values))
    first, last = np.maximum(indices - before, 0), np.minimum(indices + after, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _stride(steps: np.ndarray) -> int:
    return -(-len(steps) // _POINTS)


def _axes(title: str, height: float) -> tuple[Figure, Axes]:
    """Makes an empty chart whose x axis is the step."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 3, 4, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    return figure, axes


def _tick(value: float, _: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
