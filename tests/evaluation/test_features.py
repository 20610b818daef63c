"""Extraction: every example once and in order, on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.data.dataset import Arrays
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import check_layers, extract, make_embed, mean_scores
from ssl_jax.methods.base import Method, no_update
from tests import tiny


def mean_of_images(params, extra, batch):
    del params
    pixels = jnp.asarray(batch["image"], jnp.float32)
    mean = pixels.mean((1, 2)) - extra["offset"]
    return {"features": mean, "twice": 2 * mean}


METHOD = Method(None, None, None, no_update, mean_of_images)


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("batch_size", [7, 16, 1000])
def test_every_example_counts_once_and_in_order(devices, batch_size):
    source = tiny.data(train=41).train
    placement = tiny.placement(devices)
    embed = make_embed(METHOD, {}, {"offset": jnp.ones(())}, ("twice", "features"), placement)
    z, y, columns = extract(embed, source, batch_size, placement)
    whole = source.take(np.arange(41))
    assert columns == {}
    mean = whole["image"].astype(np.float64).mean((1, 2)) - 1
    np.testing.assert_allclose(z, np.concatenate([2 * mean, mean], axis=1), rtol=1e-5)
    np.testing.assert_array_equal(y, whole["label"])


@pytest.mark.parametrize("devices", [1, 8])
def test_a_method_s_scores_are_averaged_over_every_example_once(devices):
    source = tiny.data(train=41).train

    def score(params, extra, batch, key):
        mean = jnp.asarray(batch["image"], jnp.float32).mean((1, 2, 3))
        return {"mean": params["scale"] * mean, "drawn": jax.random.uniform(key, mean.shape)}

    method = METHOD._replace(score=score)
    arguments = (method, {"scale": jnp.float32(2)}, {}, source, jax.random.key(0))
    placement = tiny.placement(devices)
    found = mean_scores(*arguments, 16, placement)
    pixels = source.take(np.arange(41))["image"].astype(np.float64)
    np.testing.assert_allclose(found["mean"], 2 * pixels.mean(), rtol=1e-5)
    assert found == mean_scores(*arguments, 16, placement)
    assert mean_scores(METHOD, *arguments[1:], 16, placement) == {}


def test_further_labels_are_extracted_as_columns():
    columns = {"image": np.zeros((5, 8, 8, 1), np.uint8), "motion": np.arange(5, dtype=np.int32)}
    placement = tiny.placement(1)
    embed = make_embed(METHOD, {}, {"offset": jnp.ones(())}, ("features",), placement)
    found = extract(embed, Arrays(columns), 3, placement)
    assert found.y is None
    np.testing.assert_array_equal(found.labeled("motion").y, np.arange(5))
    np.testing.assert_array_equal(found.labeled("motion").z, found.z)
    assert found.labeled("label") is found


@pytest.mark.parametrize("key", ["layers", "linear_layers", "probe_layers"])
def test_an_unknown_layer_is_named(key):
    batch = {"image": jax.ShapeDtypeStruct((2, 8, 8, 1), np.uint8)}
    settings = tiny.config().evaluation
    settings[key] = ("twice", "last")
    with pytest.raises(InputError, match=rf"^evaluation.{key}: 'last'; expected some of features"):
        check_layers(METHOD, {}, {"offset": jnp.ones(())}, batch, settings)


@pytest.mark.parametrize("key", ["layers", "linear_layers", "probe_layers"])
def test_a_layer_of_several_vectors_per_example_is_refused(key):
    def embed(params, extra, batch):
        pixels = jnp.asarray(batch["image"], jnp.float32)
        return {"features": pixels.mean((1, 2)), "patches": pixels.reshape(len(pixels), -1, 1)}

    batch = {"image": jax.ShapeDtypeStruct((2, 8, 8, 1), np.uint8)}
    settings = tiny.config().evaluation
    settings[key] = ("patches",)
    message = (
        rf"^evaluation.{key}: 'patches' is not one vector per example; expected some of features$"
    )
    with pytest.raises(InputError, match=message):
        check_layers(METHOD._replace(embed=embed), {}, {}, batch, settings)
