"""The seam: pure functions, plain dictionaries, statistics that change only by being returned."""

import jax
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.heads import MLP


@pytest.fixture
def network():
    return from_module(lambda rngs: MLP(3, (4, 2), rngs=rngs))


def test_parameters_are_plain_dictionaries_named_by_strings(network):
    params, stats = network.init(jax.random.key(0))
    assert type(params) is dict
    assert set(params) == {"hidden", "norms", "last"}
    assert set(params["hidden"]) == {"0"}
    assert set(stats) == {"norms"}
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves((params, stats)))


def test_projector_is_linear_batchnorm_relu_linear(network):
    params, stats = network.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (8, 3))
    y, _ = network.apply(params, stats, x, train=True)
    hidden = x @ params["hidden"]["0"]["kernel"]
    hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
    expected = np.maximum(hidden, 0) @ params["last"]["kernel"] + params["last"]["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_statistics_change_in_training_only_and_never_in_place(network):
    params, stats = network.init(jax.random.key(0))
    before = jax.tree.map(np.array, stats)
    x = jax.random.normal(jax.random.key(1), (8, 3)) + 3
    _, after = network.apply(params, stats, x, train=True)
    _, same = network.apply(params, stats, x, train=False)
    hidden = np.asarray(x @ params["hidden"]["0"]["kernel"])
    np.testing.assert_allclose(after["norms"]["0"]["mean"], 0.1 * hidden.mean(0), rtol=1e-5)
    np.testing.assert_allclose(after["norms"]["0"]["var"], 0.9 + 0.1 * hidden.var(0), rtol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, stats, before)
    jax.tree.map(np.testing.assert_array_equal, same, before)


def test_same_key_same_parameters_and_another_key_others(network):
    first, again = (network.init(jax.random.key(3))[0] for _ in range(2))
    other = network.init(jax.random.key(4))[0]
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first["last"]["kernel"], other["last"]["kernel"])


def test_other_state_is_refused():
    class Counting(nnx.Module):
        def __init__(self, rngs):
            self.key = nnx.Variable(rngs.params())

    with pytest.raises(ValueError, match="only Param and BatchStat"):
        from_module(Counting).init(jax.random.key(0))


def test_views_are_seen_jointly_and_come_back_as_views(network):
    params, stats = network.init(jax.random.key(0))
    views = jax.random.normal(jax.random.key(1), (2, 5, 3))
    joined = views.swapaxes(0, 1).reshape(10, 3)
    expected, expected_stats = network.apply(params, stats, joined, train=True)
    outputs, new_stats = network.apply_views(params, stats, views, train=True)
    np.testing.assert_array_equal(outputs[0], expected[0::2])
    np.testing.assert_array_equal(outputs[1], expected[1::2])
    jax.tree.map(np.testing.assert_array_equal, new_stats, expected_stats)
