"""Every representation is scored in the same way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.evaluation.evaluate import evaluate
from ssl_jax.evaluation.modalities.base import flat_pixels
from ssl_jax.methods.base import Method, no_update
from tests import tiny


def pixels(params, extra, batch):
    del params, extra
    return {"features": flat_pixels(batch["image"])}


PIXELS = Method(
    init=lambda key, batch: ({}, {}),
    views=lambda key, batch: {"pixels": flat_pixels(batch["image"])[None]},
    loss=lambda params, extra, views, key, step: (jnp.float32(0), (extra, {})),
    update=no_update,
    embed=pixels,
)


@pytest.fixture(scope="module")
def values():
    data = tiny.data()
    config = tiny.resolved(tiny.config(), data)
    return evaluate(PIXELS, {}, {}, data, config, jax.random.key(0), tiny.placement(8)).values


@pytest.mark.parametrize("metric", ["knn_top1", "linear_top1", "linear100_top1"])
def test_a_method_that_returns_the_pixels_scores_exactly_what_the_pixels_score(values, metric):
    assert values[metric] == values[f"input_{metric}"] == values[f"random_init_{metric}"]
    assert values[f"{metric}_minus_input_se"] == 0


def test_its_neighbors_vote_like_those_of_the_pixels(values):
    for part in ("k", "temperature", "centered", "standardized"):
        assert values[f"knn_{part}"] == values[f"input_knn_{part}"]
    assert np.isfinite(list(values.values())).all()
