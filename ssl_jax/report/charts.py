"""Charts and pictures for a report, as text that stands inside an HTML page.

Charts are SVG whose text stays text and whose greys are the page's CSS variables, so that one chart
serves light, dark and print. They are drawn as small as a phone is wide, to stay legible there.
"""

import base64
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

LARGEST_SIDE = 96
CRISP_SIDE = 48
MAP_POINTS = 1000
MAP_CLASSES = 20

_INK, _MUTED, _LINE, _ACCENT = "#010203", "#020304", "#030405", "#040506"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
    _ACCENT: "var(--accent)",
}
# Petroff's ten, made for colour-blind readers (arXiv:2107.02270); the second ten are triangles.
_PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
_WIDTH = 281.0
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ssl_jax",
    "font.size": 9,
    "text.parse_math": False,
    "axes.edgecolor": _LINE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.labelcolor": _MUTED,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.color": _LINE,
    "ytick.labelcolor": _MUTED,
    "ytick.major.size": 0,
}


class FeatureMap(NamedTuple):
    """A 2-D map of features.

    Attributes:
      svg: the chart.
      legend: (colour, whether a triangle, class name) of the named classes; empty without labels.
      points: how many are drawn.
      others: how many classes are drawn in grey because there are too many to tell apart.
    """

    svg: Markup
    legend: list[tuple[str, bool, str]]
    points: int
    others: int


class Curves(NamedTuple):
    """A chart of several runs, with (colour, whether dashed, run) of each."""

    svg: Markup
    legend: list[tuple[str, bool, str]]


def curve(
    rows: Sequence[Mapping[str, float]],
    key: str,
    title: str,
    height: float,
    *,
    name: str | None = None,
    dashed: str | None = None,
) -> Markup | None:
    """A metric against the step: what was logged in a light line, its running mean in a strong one.

    Args:
      rows: of metrics.jsonl; rows without a finite value are left out.
      key: of the metric.
      title: what it is, in words.
      height: of the chart in points.
      name: of the chart, where a page has several of the same key.
      dashed: the key of a metric to compare with, drawn as a dashed line where there is one.

    Returns:
      The chart; None if fewer than two values are finite.
    """
    steps, values = series(rows, key)
    if len(steps) < 2:
        return None
    mean = running_mean(values, window(values))
    every = _stride(steps)
    with _style():
        figure, axes = _axes(title, height)
        axes.plot(steps[::every], values[::every], color=_ACCENT, alpha=0.35, linewidth=0.8)
        axes.plot(steps[::every], mean[::every], color=_ACCENT, linewidth=1.6)
        if dashed is not None:
            others = series(rows, dashed)
            axes.plot(*others, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
        return _svg(figure, name or key, f"{title} against the step")


def curves(
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    key: str,
    title: str,
    height: float,
    name: str,
) -> Curves | None:
    """One metric of several runs against the step, as running means.

    Args:
      runs: by name, rows of metrics.jsonl.
      key: of the metric.
      title: what it is, in words.
      height: of the chart in points.
      name: of the chart.

    Returns:
      The chart; None if fewer than two runs have two finite values.
    """
    lines = {run: series(rows, key) for run, rows in runs.items()}
    lines = {run: line for run, line in lines.items() if len(line[0]) > 1}
    if len(lines) < 2:
        return None
    legend = []
    with _style():
        figure, axes = _axes(title, height)
        for index, (run, (steps, values)) in enumerate(lines.items()):
            color, dashed = _PALETTE[index % len(_PALETTE)], index // len(_PALETTE) % 2 == 1
            mean, every = running_mean(values, window(values)), _stride(steps)
            style = (0, (4, 2)) if dashed else "-"
            axes.plot(steps[::every], mean[::every], color=color, linewidth=1.4, linestyle=style)
            legend.append((color, dashed, run))
        return Curves(_svg(figure, name, f"{title} of several runs against the step"), legend)


def window(values: np.ndarray) -> int:
    """Over how many of [n] logged values a curve's running mean goes."""
    return max(1, len(values) // 25)


def series(rows: Sequence[Mapping[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps [n] and finite values [n] of one metric."""
    pairs = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = np.array(pairs, float).reshape(-1, 2).T
    finite = np.isfinite(values)
    return steps[finite], values[finite]


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of [n] values over a centred window, which is cut short at both ends. -> [n]."""
    before, after = (window - 1) // 2, window // 2 + 1
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - before, 0), np.minimum(places + after, len(values))
    return (sums[last] - sums[first]) / (last - first)


def feature_map(
    features: np.ndarray, labels: np.ndarray | None, names: Mapping[int, str]
) -> FeatureMap | None:
    """t-SNE of normalised features, coloured by class, with the names where the classes are.

    Args:
      features: [m, d], of which at most 1,000 are drawn, chosen with a fixed seed.
      labels: [m] int, or None. Of more than 20 classes the 10 most frequent are coloured.
      names: of the classes.

    Returns:
      The map; None if there is nothing to map: fewer than ten examples, or one dimension, or values
      that are not finite, or all the same.
    """
    chosen = _subset(len(features))
    z = np.asarray(features, np.float32)[chosen]
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    if len(z) < 10 or z.shape[1] < 2 or not np.isfinite(z).all() or np.ptp(z, axis=0).max() < 1e-4:
        return None
    height = 0.92 * _WIDTH
    places = _fit(_tsne(z), _WIDTH, height)

    groups = np.full(len(z), -1) if labels is None else np.asarray(labels)[chosen]
    classes, counts = np.unique(groups, return_counts=True)
    named = [] if labels is None else classes.tolist()
    if len(named) > MAP_CLASSES:
        named = sorted(classes[np.argsort(-counts, kind="stable")[:10]].tolist())
    with _style():
        figure = Figure(figsize=(_WIDTH / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, height))
        axes.set_axis_off()
        rest = places[~np.isin(groups, named)]
        color = _ACCENT if labels is None else _MUTED
        axes.scatter(rest[:, 0], rest[:, 1], s=6, color=color, alpha=0.7, linewidth=0)
        for index, label in enumerate(named):
            triangle = index >= len(_PALETTE)
            color = _PALETTE[index % len(_PALETTE)]
            x, y = places[groups == label].T
            axes.scatter(x, y, s=9, color=color, marker="^" if triangle else "o", linewidth=0)
        words = [names.get(label, str(label)) for label in named]
        medians = [np.median(places[groups == label], axis=0) for label in named]
        short = [word if len(word) <= 20 else word[:19] + "…" for word in words]
        for word, (x, y) in zip(short, _apart(medians, short, _WIDTH, height), strict=True):
            axes.text(x, y, word, ha="center", va="center", color=_INK, size=8)
        svg = _svg(figure, "map", "Two-dimensional map of the features")
    legend = [
        (_PALETTE[i % len(_PALETTE)], i >= len(_PALETTE), word) for i, word in enumerate(words)
    ]
    return FeatureMap(svg, legend, len(z), 0 if labels is None else len(classes) - len(named))


def picture(image: np.ndarray) -> str:
    """An image as a data URI: small ones without loss, large ones shrunk and as JPEG.

    Args:
      image: [h, w, c], uint8 or floats in [0, 1]; c = 1 is grey; of 4 the first 3 count.

    Returns:
      The URI.
    """
    if image.dtype != np.uint8:
        image = np.round(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    drawn = Image.fromarray(
        np.ascontiguousarray(image[..., :3] if image.shape[-1] > 2 else image[..., 0])
    )
    drawn.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    kind = "png" if max(drawn.size) <= CRISP_SIDE else "jpeg"
    file = io.BytesIO()
    drawn.save(file, kind, optimize=True, **({"quality": 85} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _subset(count: int) -> np.ndarray:
    if count <= MAP_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MAP_POINTS, replace=False))


def _tsne(z: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE  # takes a second to import
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(z) - 1) / 3)
    # A second thread gains nothing at this size, and costs tenfold where others use the cores.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(z)


def _fit(places: np.ndarray, width: float, height: float) -> np.ndarray:
    """Moves and scales [n, 2] places, both axes alike, into a box with a margin of 10."""
    low, high = places.min(axis=0), places.max(axis=0)
    scale = min(np.array([width - 20, height - 20]) / np.maximum(high - low, 1e-12))
    return (places - (low + high) / 2) * scale + np.array([width, height]) / 2


def _apart(
    places: Sequence[np.ndarray], words: Sequence[str], width: float, height: float
) -> list[tuple[float, float]]:
    """Moves words up and down until none covers another."""
    line = 10.0
    halves = [2.5 * len(word) for word in words]
    spots = [
        [min(max(x, min(half, width / 2)), max(width - half, width / 2)), y]
        for (x, y), half in zip(places, halves, strict=True)
    ]
    for _ in range(100):
        for i in range(len(spots)):
            for j in range(i):
                (x1, y1), (x2, y2) = spots[i], spots[j]
                if abs(x1 - x2) < halves[i] + halves[j] and abs(y1 - y2) < line:
                    push = (line - abs(y1 - y2)) / 2 * (1 if y1 >= y2 else -1)
                    spots[i][1], spots[j][1] = y1 + push, y2 - push
        for spot in spots:
            spot[1] = min(max(spot[1], line), height - line)
    return [(x, y) for x, y in spots]


def _stride(steps: np.ndarray) -> int:
    return -(-len(steps) // 1000)


def _axes(title: str, height: float) -> tuple[Figure, Axes]:
    """An empty chart against the step."""
    figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
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


@contextmanager
def _style() -> Iterator[None]:
    """The style of the page, whatever the user's own matplotlibrc says.

    Of glyphs that its font for measuring lacks matplotlib need not warn: the browser has them.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an <svg> element, to be called in ``_style``; `name` makes its ids unique."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    box = re.search(r'viewBox="[^"]*"', text)
    body = re.sub(r"<style.*?</style>", "", text[text.index("<defs>") :], flags=re.S)
    body = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    opening = Markup('<svg class="chart" role="img" aria-label="{}" {}>').format(
        label, Markup(box.group() if box else "")
    )
    return opening + Markup(body.strip())
