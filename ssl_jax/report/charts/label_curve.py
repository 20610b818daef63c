"""A chart of accuracy against the number of labels per class."""

import re
from collections.abc import Mapping
from itertools import cycle

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ssl_jax.report.charts.style import MUTED, PALETTE, WIDTH, page_style, to_svg

_HEIGHT = 230.0  # points
Curve = Mapping[float, tuple[float, float]]


def label_curve_chart(
    curves: Mapping[str, Curve],
    ticks: Mapping[float, str],
    *,
    levels: Mapping[str, float] | None = None,
    title: str = "accuracy in percent against labels per class",
    name: str = "labels",
) -> Markup:
    """Draws accuracy against labels per class, on a logarithmic axis.

    Args:
      curves: by name: mean and standard deviation of the accuracy, in [0, 1], by the number of
        labels per class; the band around a line is one standard deviation wide on each side.
      ticks: what to write at each number of labels, such as ``{1.0: "1", 1000.0: "all"}``.
      levels: accuracies to draw as dashed horizontal lines, by name.
      title: of the chart.
      name: of the chart, unique on the page.
    """
    with page_style():
        figure = Figure(figsize=(1.6 * WIDTH / 72, _HEIGHT / 72), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.set_xscale("log")
        for color, (each, curve) in zip(cycle(PALETTE), curves.items(), strict=False):
            labels = np.array(sorted(curve))
            mean, deviation = 100 * np.array([curve[size] for size in labels]).T
            axes.fill_between(
                labels, mean - deviation, mean + deviation, color=color, alpha=0.2, linewidth=0
            )
            axes.plot(
                labels, mean, color=color, linewidth=1.6, marker="o", markersize=3, label=each
            )
        for each, level in (levels or {}).items():
            axes.axhline(100 * level, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=each)
        axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks.get(value, "")))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.legend(loc="lower right", frameon=False, labelcolor=MUTED)
        return to_svg(figure, name, title)


def of_scores(values: Mapping[str, float], input_name: str, per_class: float) -> Markup:
    """Draws the linear probe's accuracies from ``evaluation.more.label_curve``.

    Args:
      values: its numbers; those with all labels have no deviation.
      input_name: what the raw input is called.
      per_class: the mean number of labels per class where all are used.
    """
    names = {"": "learned", "random_init_": "untrained", "input_": input_name}
    curves: dict[str, dict[float, tuple[float, float]]] = {name: {} for name in names.values()}
    ticks = {}
    for key, value in values.items():
        if found := re.fullmatch(r"(random_init_|input_|)labels_(\d+|all)_linear_top1", key):
            size = per_class if found[2] == "all" else float(found[2])
            curves[names[found[1]]][size] = value, values.get(f"{key}_std", 0.0)
            ticks[size] = found[2]
    title = "linear probe: accuracy in percent against labels per class"
    return label_curve_chart(curves, ticks, title=title)
