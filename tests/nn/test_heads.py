"""Heads match NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.heads import MLP, PrototypeHead
from tests.references.vit import gelu

X = np.random.default_rng(0).normal(size=(6, 3))


class Prototypes(nnx.Module):
    """The head as a module that ``from_module`` accepts, which is called with ``train``."""

    def __init__(self, rngs, scaled=False):
        self.head = PrototypeHead(3, (5, 4), 7, scaled=scaled, rngs=rngs)

    def __call__(self, x, *, train):
        return self.head(x)


def moved(network):
    """Random parameters, so that none is 0 or 1, and statistics."""
    params, stats = network.init(jax.random.key(0))
    leaves, shape = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return shape.unflatten(
        [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    ), stats


@pytest.mark.parametrize("norm", [True, False])
def test_mlp_has_a_norm_or_a_bias_before_each_relu(norm):
    network = from_module(lambda rngs: MLP(3, (5, 4, 2), norm=norm, rngs=rngs))
    params, stats = moved(network)
    assert ("bias" in params["hidden"]["0"]) != norm
    found, _ = network.apply(params, stats, jnp.asarray(X, jnp.float32), train=True)
    x = X
    for i in ("0", "1"):
        layer = params["hidden"][i]
        x = x @ np.asarray(layer["kernel"], np.float64) + layer.get("bias", 0)
        if norm:
            scales = params["norms"][i]
            x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * scales["scale"] + scales["bias"]
        x = np.maximum(x, 0)
    expected = x @ np.asarray(params["last"]["kernel"]) + params["last"]["bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_output_may_be_normalized_without_offsets():
    network = from_module(lambda rngs: MLP(3, (5, 2), output_norm=True, rngs=rngs))
    params, stats = moved(network)
    assert params["last"].keys() == {"kernel"}
    assert params["output_norm"].keys() == {"scale"}
    plain = from_module(lambda rngs: MLP(3, (5, 2), rngs=rngs))
    without = {name: x for name, x in params.items() if name != "output_norm"}
    without["last"] = params["last"] | {"bias": jnp.zeros(2)}
    kept = {"norms": stats["norms"]}
    x = jnp.asarray(X, jnp.float32)
    y, _ = plain.apply(without, kept, x, train=True)
    found, _ = network.apply(params, stats, x, train=True)
    y = np.asarray(y, np.float64)
    expected = (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-5) * params["output_norm"]["scale"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_logits_may_be_scaled_prototype_by_prototype():
    plain, scaled = (from_module(partial(Prototypes, scaled=flag)) for flag in (False, True))
    params, _ = moved(scaled)
    x = jnp.asarray(X, jnp.float32)
    found, _ = scaled.apply(params, {}, x, train=True)
    scales = params["head"]["scales"]
    assert scales.shape == (1, 7)  # two axes, as in PyTorch's weight_norm: it decays
    without = {"head": {k: v for k, v in params["head"].items() if k != "scales"}}
    cosines, _ = plain.apply(without, {}, x, train=True)
    np.testing.assert_allclose(found, scales * cosines, rtol=1e-6)
    start, _ = scaled.init(jax.random.key(0))
    assert (start["head"]["scales"] == 1).all()


def test_prototypes_start_as_in_pytorch_and_the_rest_of_the_head_small():
    class Large(nnx.Module):
        def __init__(self, rngs):
            self.head = PrototypeHead(64, (48, 32), 200, rngs=rngs)

    start, _ = from_module(Large).init(jax.random.key(0))
    prototypes = start["head"]["prototypes"]
    assert np.abs(prototypes).max() <= 32**-0.5
    assert np.isclose(prototypes.std(), (3 * 32) ** -0.5, rtol=0.05)
    for layer in start["head"]["layers"].values():
        assert np.isclose(layer["kernel"].std(), 0.02, rtol=0.1)
        assert not layer["bias"].any()


def test_logits_are_the_cosines_to_the_prototypes():
    network = from_module(Prototypes)
    params, _ = moved(network)
    found, _ = network.apply(params, {}, jnp.asarray(X, jnp.float32), train=True)
    head = jax.tree.map(lambda x: np.asarray(x, np.float64), params["head"])
    x = gelu(X @ head["layers"]["0"]["kernel"] + head["layers"]["0"]["bias"])
    x = x @ head["layers"]["1"]["kernel"] + head["layers"]["1"]["bias"]
    for row, logits in zip(x, found, strict=True):
        for prototype, logit in zip(head["prototypes"].T, logits, strict=True):
            cosine = row @ prototype / np.linalg.norm(row) / np.linalg.norm(prototype)
            np.testing.assert_allclose(logit, cosine, atol=1e-5)
