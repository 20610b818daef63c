"""Label curves: what is drawn, and as a file."""

import re
from xml.etree import ElementTree

from ssl_jax.report.charts.label_curve import label_curve_chart, of_scores
from ssl_jax.report.charts.style import VARIABLES, to_file

VALUES = {
    "labels_1_linear_top1": 0.3,
    "labels_1_linear_top1_std": 0.05,
    "labels_1_knn_top1": 0.99,
    "labels_all_linear_top1": 0.8,
    "random_init_labels_1_linear_top1": 0.2,
    "random_init_labels_1_linear_top1_std": 0.1,
    "random_init_labels_all_linear_top1": 0.6,
    "input_labels_1_linear_top1": 0.1,
    "input_labels_1_linear_top1_std": 0.0,
    "input_labels_all_linear_top1": 0.5,
}


def heights(svg):
    """The heights at which a chart's curves end, by color, from low to high on the page."""
    lines = re.findall(
        r'<path d="M [\d. ]+\s+L [\d.]+ ([\d.]+)\s*" clip-path[^>]*stroke: (#\w+)', svg
    )
    return {color: float(height) for height, color in lines}


def test_the_linear_probe_is_drawn_once_per_representation():
    svg = str(of_scores(VALUES, "raw pixels", 100))
    for word in ("learned", "untrained", "raw pixels", ">all<", ">1<"):
        assert word in svg
    ends = list(heights(svg).values())
    assert len(ends) == 3
    assert ends == sorted(ends)  # the learned one ends highest, where y is smallest


def test_a_level_is_dashed_and_named():
    chart = label_curve_chart(
        {"a": {1: (0.5, 0.1), 10: (0.6, 0.1)}}, {1: "1", 10: "10"}, levels={"top": 0.9}
    )
    assert "top" in chart
    assert "stroke-dasharray" in chart


def test_a_file_is_valid_and_defines_every_color():
    text = to_file(of_scores(VALUES, "raw <pixels>", 100))
    ElementTree.fromstring(text)
    for variable in VARIABLES.values():
        name = variable.removeprefix("var(").removesuffix(")")
        assert text.count(f"{name}: #") == 2
