import math

import numpy as np

from ssl_jax.report.charts.curves import curve, curves, running_mean, series


def test_values_that_are_not_finite_are_skipped():
    rows = [{"step": s, "loss": math.nan if s % 2 else 1.0} for s in range(10)] + [{"step": 10}]
    assert series(rows, "loss")[0].tolist() == [0, 2, 4, 6, 8]
    assert curve(rows[:1], "loss", "loss", 100) is None
    assert curve(rows, "learning_rate", "learning rate", 100) is None


def test_the_running_mean_is_centered():
    values = np.array([0.0, 3.0, 6.0, 3.0])
    np.testing.assert_allclose(running_mean(values, 3), [1.5, 3, 4, 4.5])
    np.testing.assert_array_equal(running_mean(values, 1), values)


def test_a_second_metric_is_dashed_if_it_was_logged():
    rows = [{"step": s, "loss": 1.0} for s in range(10)]
    assert "stroke-dasharray" not in curve(rows, "loss", "loss", 100, dashed="chance_loss")
    rows = [row | {"chance_loss": 1.4} for row in rows]
    assert "stroke-dasharray" in curve(rows, "loss", "loss", 100, dashed="chance_loss")


def test_more_runs_than_colors_are_dashed():
    rows = [{"step": s, "loss": 1.0} for s in range(10)]
    drawn = curves({f"run {i}": rows for i in range(12)}, "loss", "loss", 100, "losses")
    assert [name for _, _, name in drawn.legend] == [f"run {i}" for i in range(12)]
    assert [dashed for _, dashed, _ in drawn.legend] == [False] * 10 + [True] * 2
    assert len({(color, dashed) for color, dashed, _ in drawn.legend}) == 12
    assert curves({"a": rows, "b": rows[:1]}, "loss", "loss", 100, "losses") is None
