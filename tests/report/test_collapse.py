"""The verdict on collapse, for rows of metrics made by hand."""

import math

import numpy as np
import pytest

from ssl_jax.report.collapse import verdict


def rows(*columns: dict[str, float], **constant: float) -> list[dict[str, float]]:
    return [{"step": 10.0 * i, "loss": 1.0} | constant | c for i, c in enumerate(columns, 1)]


def test_a_healthy_run_has_the_rank_of_its_embeddings_or_else_of_its_features():
    healthy = rows({}, embedding_std=0.12, embedding_rank=41.2, embedding_size=64)
    assert verdict(healthy, {"rankme": 9.0, "features": 99}) == (True, "healthy: rank 41 of 64")
    assert verdict(rows({}), {"rankme": 9.4, "features": 99}) == (
        True,
        "healthy: rank 9 of 99 features",
    )
    assert verdict([], {}) == (True, "healthy")


def test_collapse_to_a_point_since_the_first_of_the_last_bad_rows():
    deviations = [0.001, 0.1, 0.002, 0.001, 0.001]
    healthy, text = verdict(
        rows(*({"embedding_std": s} for s in deviations), embedding_rank=5.0, embedding_size=64), {}
    )
    assert not healthy
    assert text.startswith(
        "collapsed since step 30: every embedding points the same way (std 0.001"
    )
    assert verdict(rows({}, embedding_std=1e-4, embedding_rank=5.0, embedding_size=64), {})[
        1
    ].startswith("collapsed from the first step on")


@pytest.mark.parametrize("size", [16, 64, 256])
def test_the_deviation_is_compared_with_that_of_a_whole_sphere(size):
    whole = 1 / math.sqrt(size)
    signs = {"embedding_rank": 5.0, "embedding_size": size}
    assert verdict(rows({}, embedding_std=0.12 * whole, **signs), {})[0]
    assert not verdict(rows({}, embedding_std=0.08 * whole, **signs), {})[0]


def test_embeddings_on_a_line():
    _, text = verdict(rows({}, embedding_std=0.1, embedding_rank=1.02, embedding_size=64), {})
    assert (
        text == "collapsed from the first step on: all embeddings lie on a line (rank 1.02 of 64)"
    )


def test_uniform_targets_and_a_single_prototype():
    log_k = math.log(4096)
    uniform = {"target_entropy": 0.999 * log_k, "prototypes_used": 4000.0, "prototypes": 4096.0}
    _, text = verdict(rows({}, uniform | {"loss": 8.3178}), {})
    assert text.startswith("uniform since step 20: the output is the same for all 4096 prototypes")
    assert "(loss 8.3178, ln 4096 = 8.3178)" in text
    assert "method.teacher_temperature" in text
    single = {"target_entropy": 0.02, "prototypes_used": 1.04, "prototypes": 4096.0}
    _, text = verdict(rows({}, single), {})
    assert text.startswith("collapsed since step 20: every example chooses the same of 4096")
    good = {"target_entropy": 2.0, "prototypes_used": 700.0, "prototypes": 4096.0}
    assert verdict(rows(good), {}) == (True, "healthy: 700 of 4096 prototypes used")


def test_a_loss_that_stays_at_chance():
    _, text = verdict(rows({"loss": 1.2}, {"loss": 1.3861}, chance_loss=math.log(4)), {})
    assert text.startswith("uniform since step 20: the output ignores the input (loss 1.3861")
    assert verdict(rows({"loss": 1.3}, chance_loss=math.log(4)), {})[0]


def test_rows_that_are_not_finite_are_skipped():
    assert verdict(rows({"loss": np.nan}), {}) == (True, "healthy")


def test_updates_that_are_skipped():
    bad = {"skipped": 1.0, "loss": np.nan}
    healthy, text = verdict(rows({"skipped": 0.0}, bad, bad, bad), {})
    assert not healthy
    assert text.startswith("stalled since step 20: updates are skipped")
    assert verdict(rows(bad, {"skipped": 0.0}, bad, bad), {}).healthy
