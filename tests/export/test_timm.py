"""Under timm's names an encoder's weights give timm's models the same features."""

import json

import jax
import numpy as np
import pytest

from ssl_jax.export import timm
from ssl_jax.export.weights import by_name
from ssl_jax.nn import backbones, from_module
from tests import tiny
from tests.golden import make_timm
from tests.golden.make_timm import CASES, filled, fingerprint, images_of, timm_features, weights_of

GOLDEN = json.loads(make_timm.GOLDEN.read_text())
MODELS = [
    ("vit_nano", {"patch_size": 2, "pool": "mean"}, 8),
    ("vit_tiny", {"patch_size": 4, "pool": "cls"}, 8),
    ("vit_small", {"patch_size": 4, "pool": "mean"}, 8),
    ("resnet18", {"stem": "imagenet", "pool": "mean"}, 32),
    ("resnet18", {"stem": "patch", "pool": "mean"}, 15),
    ("resnet34", {"stem": "small", "pool": "mean"}, 8),
    ("resnet50", {"stem": "imagenet", "pool": "mean"}, 33),
]


def config_of(name, network, side=8, channels=1):
    config = tiny.config(name="simclr")
    config.network.update({"name": name} | network)
    config.data.update({"image_size": side, "channels": channels})
    return config


def arrays_of(config):
    network = from_module(lambda rngs: backbones.make(config, rngs))
    params, stats = filled(jax.eval_shape(network.init, jax.random.key(0)))
    return network, params, stats, by_name(params) | by_name(stats)


def features_of(network, params, stats, images):
    apply = jax.jit(lambda *inputs: network.apply(*inputs, train=False)[0]["features"])
    return apply(params, stats, images)


@pytest.mark.parametrize("name", CASES)
def test_the_network_computes_what_timm_computed(name):
    case = CASES[name]
    network = from_module(lambda rngs: case.make(rngs=rngs))
    found = features_of(network, *weights_of(case), images_of(case))
    np.testing.assert_allclose(found, GOLDEN[name]["features"], atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_the_arrays_are_those_that_timm_loaded(name):
    case = CASES[name]
    params, stats = weights_of(case)
    found = case.rename(by_name(params) | by_name(stats))
    expected = GOLDEN[name]["arrays"]
    assert found.keys() == expected.keys()
    for array, (shape, number) in expected.items():
        assert list(found[array].shape) == shape, array
        assert fingerprint(found[array]) == pytest.approx(number, abs=2e-3), array


@pytest.mark.parametrize(("name", "network", "side"), MODELS)
def test_timm_computes_the_same_features(name, network, side):
    pytest.importorskip("timm")
    config = config_of(name, network, side, channels=3)
    net, params, stats, arrays = arrays_of(config)
    assert timm.obstacle(arrays, config) == ""
    model = timm.model_of(arrays, config)
    images = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    kwargs = json.loads(json.dumps(model.kwargs))
    assert kwargs.pop("num_classes") == 0
    expected = timm_features(model.model, kwargs, model.replace, model.arrays, images)
    found = features_of(net, params, stats, images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_grid_is_pooled_by_its_mean_in_timm():
    config = config_of("vit_nano", {"patch_size": 2, "pool": "grid"})
    model = timm.model_of(arrays_of(config)[-1], config)
    assert model.kwargs["global_pool"] == "avg"


@pytest.mark.parametrize("name", ["resnet_small", "context_encoder", "mlp", "gpt_nano"])
def test_networks_that_timm_lacks_are_named(name):
    config = config_of(name, {"pool": "mean"})
    assert timm.obstacle({}, config) == f"timm has no {name}"


def test_an_encoder_that_is_not_the_config_s_network_is_not_translated():
    config = config_of("vit_nano", {"patch_size": 2, "pool": "mean"})
    arrays = arrays_of(config)[-1]
    assert timm.obstacle(arrays, config) == ""
    del arrays["class_token"]
    expected = "the encoder is not the vit_nano that the config names"
    assert timm.obstacle(arrays, config) == expected
