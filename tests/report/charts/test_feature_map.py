import numpy as np
import pytest

from ssl_jax.report.charts.feature_map import _without_overlap, feature_map


@pytest.mark.parametrize(
    "features",
    [
        np.ones((50, 4)),
        np.full((50, 4), np.nan),
        np.random.default_rng(0).normal(size=(5, 4)),
        np.random.default_rng(0).normal(size=(50, 1)),
    ],
)
def test_features_that_cannot_be_mapped(features):
    assert feature_map(features, None, {}) is None


def test_few_points_and_any_name():
    features = np.random.default_rng(0).normal(size=(12, 2))
    drawn = feature_map(features, np.arange(12) % 3, {0: "猫", 1: "犬" * 40, 2: "$x^2$"})
    assert ">猫</text>" in drawn.svg
    assert ">" + "犬" * 19 + "…</text>" in drawn.svg
    assert ">$x^2$</text>" in drawn.svg
    assert (drawn.points, drawn.others) == (12, 0)


def test_names_do_not_cover_each_other():
    moved = _without_overlap([np.array([140.0, 100.0])] * 5, ["name"] * 5, 281, 258)
    heights = sorted(y for _, y in moved)
    assert min(np.diff(heights)) > 9
