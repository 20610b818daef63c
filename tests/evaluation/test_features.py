"""Extraction: every example once, in order, on any number of devices; the raw input; untrained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ssl_jax import data, methods
from ssl_jax.data.dataset import Arrays
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import check_layers, extract, make_embed, mean_scores
from ssl_jax.evaluation.modalities.image import raw_input
from ssl_jax.evaluation.untrained import untrained
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
    mesh = tiny.mesh(devices)
    embed = make_embed(METHOD, {}, {"offset": jnp.ones(())}, ("twice", "features"), mesh)
    z, y, columns = extract(embed, source, batch_size, mesh)
    whole = source.take(np.arange(41))
    assert columns == {}
    mean = whole["image"].astype(np.float64).mean((1, 2)) - 1
    np.testing.assert_allclose(z, np.concatenate([2 * mean, mean], axis=1), rtol=1e-5)
    np.testing.assert_array_equal(y, whole["label"])


@pytest.mark.parametrize("devices", [1, 8])
def test_own_scores_are_means_over_every_example_once(devices):
    source = tiny.data(train=41).train

    def score(params, extra, batch, key):
        mean = jnp.asarray(batch["image"], jnp.float32).mean((1, 2, 3))
        return {"mean": params["scale"] * mean, "drawn": jax.random.uniform(key, mean.shape)}

    method = METHOD._replace(score=score)
    arguments = (method, {"scale": jnp.float32(2)}, {}, source, jax.random.key(0))
    found = mean_scores(*arguments, 16, tiny.mesh(devices))
    pixels = source.take(np.arange(41))["image"].astype(np.float64)
    np.testing.assert_allclose(found["mean"], 2 * pixels.mean(), rtol=1e-5)
    assert found == mean_scores(*arguments, 16, tiny.mesh(devices))
    assert mean_scores(METHOD, *arguments[1:], 16, tiny.mesh(devices)) == {}


def test_further_labels_are_columns_of_what_is_extracted():
    columns = {"image": np.zeros((5, 8, 8, 1), np.uint8), "motion": np.arange(5, dtype=np.int32)}
    mesh = tiny.mesh(1)
    embed = make_embed(METHOD, {}, {"offset": jnp.ones(())}, ("features",), mesh)
    found = extract(embed, Arrays(columns), 3, mesh)
    assert found.y is None
    np.testing.assert_array_equal(found.labelled("motion").y, np.arange(5))
    np.testing.assert_array_equal(found.labelled("motion").z, found.z)


@pytest.mark.parametrize("key", ["layers", "probe_layers"])
def test_an_unknown_layer_is_named(key):
    batch = {"image": jax.ShapeDtypeStruct((2, 8, 8, 1), np.uint8)}
    settings = tiny.config().evaluation
    settings[key] = ("twice", "last")
    with pytest.raises(InputError, match=rf"^evaluation.{key}: 'last'; expected some of features"):
        check_layers(METHOD, {}, {"offset": jnp.ones(())}, batch, settings)


def test_raw_input_is_pixels_and_large_images_are_shrunk_as_pillow_does():
    small = tiny.data().train.take(np.arange(4))
    np.testing.assert_allclose(
        raw_input({"image": small["image"]}), small["image"].reshape(4, -1) / 255, rtol=1e-6
    )
    large = np.random.default_rng(0).integers(0, 256, (2, 80, 80, 3), np.uint8)
    shrunk = [Image.fromarray(x).resize((32, 32), Image.Resampling.BILINEAR) for x in large]
    expected = np.stack([np.asarray(x) for x in shrunk]).reshape(2, -1) / 255
    np.testing.assert_allclose(raw_input({"image": large}), expected, atol=1.1 / 255)


def test_untrained_keeps_the_initial_parameters_and_collects_statistics():
    dataset = tiny.data()
    still = {"area": (1.0, 1.0), "strength": 0.0, "blur": 0.0}
    config = tiny.config(name="simclr", temperature=0.2, projector=(8,), augment=still)
    config = tiny.resolved(config, dataset)
    method, key = methods.make(config), jax.random.key(0)
    stream = data.batches(dataset.pretrain, tiny.BATCH, seed=0)
    params, extra = untrained(method, stream, key, tiny.mesh(8))
    stream.close()
    first, _ = method.init(key, None)
    jax.tree.map(np.testing.assert_array_equal, params, first)

    images = dataset.pretrain.take(np.arange(40))["image"] / 255.0
    both = np.concatenate([images, images[:, :, ::-1]])
    pixels = (both - config.data.mean[0]) / config.data.std[0]
    stem = jax.lax.conv_general_dilated(
        pixels.astype(np.float32),
        first["backbone"]["conv"]["kernel"],
        (2, 2),
        [(1, 1), (1, 1)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    collected = extra["backbone"]["norm"]
    np.testing.assert_allclose(collected["mean"], stem.mean((0, 1, 2)), atol=0.1)
    np.testing.assert_allclose(collected["var"], stem.var((0, 1, 2)), rtol=0.2, atol=0.05)
