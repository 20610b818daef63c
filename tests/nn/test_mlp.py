"""The MLP on pixels, layer by layer, compared with NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.mlp import MLP

IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 4, 2)), jnp.float32)
ACTIVATIONS = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


def network(activation, dtype=jnp.float32):
    sizes = {"channels": 2, "image_size": 4, "widths": (6, 5)}
    return from_module(lambda rngs: MLP(**sizes, activation=activation, dtype=dtype, rngs=rngs))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_layer_is_linear_with_the_activation(activation):
    net = network(activation)
    params, stats = net.init(jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.1, params)
    assert stats == {}
    layers, _ = net.apply(params, stats, IMAGES, train=False)
    x = np.asarray(IMAGES, np.float64).reshape(3, 32)
    for number, name in enumerate(("layer1", "layer2")):
        layer = params["layers"][str(number)]
        x = ACTIVATIONS[activation](x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]))
        np.testing.assert_allclose(layers[name], x, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layers["features"], layers["layer2"])
    assert layers.keys() == {"layer1", "layer2", "features"}


def test_bfloat16_layers_are_returned_in_float32():
    net = network("tanh", jnp.bfloat16)
    params, stats = net.init(jax.random.key(0))
    layers, _ = net.apply(params, stats, IMAGES, train=True)
    assert {x.dtype for x in layers.values()} == {jnp.dtype("float32")}
    exact, _ = network("tanh").apply(params, stats, IMAGES, train=True)
    np.testing.assert_allclose(layers["features"], exact["features"], atol=0.05)
    assert np.any(layers["features"] != exact["features"])
