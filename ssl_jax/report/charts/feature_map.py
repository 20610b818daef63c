"""A map of the features: t-SNE, colored by class."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from ssl_jax.report.charts.style import ACCENT, INK, MUTED, PALETTE, WIDTH, page_style, to_svg

_POINTS = 1000
_ITERATIONS = 500  # half of the default, and enough to separate groups
_CLASSES = 20  # the second ten are drawn as triangles
_CLASSES_OF_MANY = 10
_HEIGHT = 0.92 * WIDTH
_LETTER_WIDTH, _LINE_HEIGHT = 5.0, 10.0  # points
_LONGEST_NAME = 20


class FeatureMap(NamedTuple):
    """A two-dimensional map of features.

    Attributes:
      svg: the chart.
      legend: (color, whether a triangle, class name) of the colored classes; empty without labels.
      points: number of examples drawn.
      others: number of classes drawn in gray, if there are too many for the colors.
    """

    svg: Markup
    legend: list[tuple[str, bool, str]]
    points: int
    others: int


def feature_map(
    features: np.ndarray, labels: np.ndarray | None, names: Mapping[int, str]
) -> FeatureMap | None:
    """Draws t-SNE of normalized features, colored by class, with the class names on the map.

    Args:
      features: [m, d]; at most 1,000 are drawn, chosen with a fixed seed.
      labels: [m] int, or None. If there are more than 20 classes, the 10 most frequent are colored.
      names: names of the classes.

    Returns:
      The map; None if there are fewer than ten examples or two dimensions, or if values are not
      finite or all the same.
    """
    chosen = _subset(len(features))
    z = np.asarray(features, np.float32)[chosen]
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    if len(z) < 10 or z.shape[1] < 2 or not np.isfinite(z).all() or np.ptp(z, axis=0).max() < 1e-4:
        return None
    positions = _scaled(_tsne(z), WIDTH, _HEIGHT)

    groups = np.full(len(z), -1) if labels is None else np.asarray(labels)[chosen]
    classes, counts = np.unique(groups, return_counts=True)
    colored = [] if labels is None else classes.tolist()
    if len(colored) > _CLASSES:
        order = np.argsort(-counts, kind="stable")
        colored = sorted(classes[order[:_CLASSES_OF_MANY]].tolist())
    full_names = [names.get(label, str(label)) for label in colored]
    legend = [
        (PALETTE[i % len(PALETTE)], i >= len(PALETTE), name) for i, name in enumerate(full_names)
    ]
    with page_style():
        figure = Figure(figsize=(WIDTH / 72, _HEIGHT / 72))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, _HEIGHT))
        axes.set_axis_off()
        rest = positions[~np.isin(groups, colored)]
        color = ACCENT if labels is None else MUTED
        axes.scatter(rest[:, 0], rest[:, 1], s=6, color=color, alpha=0.7, linewidth=0)
        for label, (color, is_triangle, _) in zip(colored, legend, strict=True):
            x, y = positions[groups == label].T
            axes.scatter(x, y, s=9, color=color, marker="^" if is_triangle else "o", linewidth=0)
        medians = [np.median(positions[groups == label], axis=0) for label in colored]
        short_names = list(map(_shortened, full_names))
        apart = _without_overlap(medians, short_names, WIDTH, _HEIGHT)
        for name, (x, y) in zip(short_names, apart, strict=True):
            axes.text(x, y, name, ha="center", va="center", color=INK, size=8)
        svg = to_svg(figure, "map", "Two-dimensional map of the features")
    return FeatureMap(svg, legend, len(z), 0 if labels is None else len(classes) - len(colored))


def _subset(count: int) -> np.ndarray:
    if count <= _POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _POINTS, replace=False))


def _tsne(z: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE  # takes a second to import
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(z) - 1) / 3)
    # At this size a second thread gains nothing, and makes it ten times slower on busy cores.
    with threadpool_limits(1):
        return TSNE(
            perplexity=perplexity, init="pca", max_iter=_ITERATIONS, random_state=0
        ).fit_transform(z)


def _scaled(positions: np.ndarray, width: float, height: float) -> np.ndarray:
    """Fits positions [n, 2] into a box with a margin of 10, with one scale for both axes."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    scale = min(np.array([width - 20, height - 20]) / np.maximum(high - low, 1e-12))
    return (positions - (low + high) / 2) * scale + np.array([width, height]) / 2


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _without_overlap(
    positions: Sequence[np.ndarray], names: Sequence[str], width: float, height: float
) -> list[tuple[float, float]]:
    """Moves names up and down until none covers another."""
    halves = [_LETTER_WIDTH / 2 * len(name) for name in names]
    moved = [
        [min(max(x, min(half, width / 2)), max(width - half, width / 2)), y]
        for (x, y), half in zip(positions, halves, strict=True)
    ]
    for _ in range(100):
        for i in range(len(moved)):
            for j in range(i):
                (x1, y1), (x2, y2) = moved[i], moved[j]
                if abs(x1 - x2) < halves[i] + halves[j] and abs(y1 - y2) < _LINE_HEIGHT:
                    push = (_LINE_HEIGHT - abs(y1 - y2)) / 2 * (1 if y1 >= y2 else -1)
                    moved[i][1], moved[j][1] = y1 + push, y2 - push
        for position in moved:
            position[1] = min(max(position[1], _LINE_HEIGHT), height - _LINE_HEIGHT)
    return [(x, y) for x, y in moved]
