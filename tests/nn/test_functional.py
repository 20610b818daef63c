"""Modules as pure functions over plain dictionaries; new statistics are returned, never set."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.backbones import resnet, vit
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


def test_parameters_depend_on_the_key_alone(network):
    first, again = (network.init(jax.random.key(3))[0] for _ in range(2))
    other = network.init(jax.random.key(4))[0]
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first["last"]["kernel"], other["last"]["kernel"])


def test_another_method_of_the_module_can_be_applied():
    class Doubling(nnx.Module):
        def __init__(self, rngs):
            self.scale = nnx.Param(jnp.full((), 3.0))

        def __call__(self, x, *, train):
            return self.scale[...] * x

        def twice(self, x, *, train):
            return 2 * self(x, train=train)

    plain, twice = from_module(Doubling), from_module(Doubling, call="twice")
    params, stats = plain.init(jax.random.key(0))
    one = jnp.ones(())
    assert plain.apply(params, stats, one, train=False)[0] == 3
    assert twice.apply(params, stats, one, train=False)[0] == 6


def test_other_kinds_of_state_are_refused():
    class Counting(nnx.Module):
        def __init__(self, rngs):
            self.key = nnx.Variable(rngs.params())

    with pytest.raises(ValueError, match="only Param and BatchStat"):
        from_module(Counting).init(jax.random.key(0))


def vit_of(rngs, *, depth, remat):
    return vit.ViT(
        channels=1,
        image_size=8,
        patch_size=2,
        width=32,
        depth=depth,
        heads=2,
        remat=remat,
        rngs=rngs,
    )


def resnet_of(rngs, *, depth, remat):
    return resnet.ResNet(
        channels=1,
        blocks=(depth,),
        widths=(8,),
        bottleneck=True,
        stem="small",
        remat=remat,
        rngs=rngs,
    )


def squares(make, **options):
    """Returns ``init``, and a loss (the sum of squared features) with layers and statistics."""
    network = from_module(lambda rngs: make(rngs, **options))

    def loss(params, stats, images):
        layers, stats = network.apply(params, stats, images, train=True)
        return jnp.square(layers["features"]).sum(), (layers, stats)

    return network.init, loss


def shapes_of(init):
    images = jax.ShapeDtypeStruct((64, 8, 8, 1), jnp.float32)
    return *jax.eval_shape(init, jax.random.key(0)), images


@pytest.mark.parametrize("make", [resnet_of, vit_of])
def test_rematerialized_blocks_have_the_same_values_gradients_and_statistics(make):
    init, kept = squares(make, depth=1, remat=False)
    _, recomputed = squares(make, depth=1, remat=True)
    params, stats = init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (8, 8, 8, 1))
    expected, actual = (
        jax.jit(jax.value_and_grad(loss, has_aux=True))(params, stats, images)
        for loss in (kept, recomputed)
    )
    chex.assert_trees_all_close(actual, expected, rtol=1e-4, atol=1e-5)
    for before, after in zip(*map(jax.tree.leaves, (stats, actual[0][1][1])), strict=True):
        assert not np.array_equal(before, after)


@pytest.mark.parametrize("make", [resnet_of, vit_of])
def test_rematerialized_blocks_keep_less_than_a_quarter_for_the_backward_pass(make):
    def kept_bytes(remat):
        init, loss = squares(make, depth=4, remat=remat)

        def held(params, stats, images):
            return jax.vjp(lambda params: loss(params, stats, images), params, has_aux=True)[1]

        kept = jax.tree.leaves(jax.eval_shape(held, *shapes_of(init)))
        return sum(x.size * x.dtype.itemsize for x in kept)

    assert kept_bytes(remat=True) < kept_bytes(remat=False) / 4


@pytest.mark.skipif(jax.__version_info__ < (0, 12), reason="jax 0.10.2 recomputes too early")
def test_rematerialized_blocks_compile_to_less_than_half_the_temporaries():
    def temporaries(remat):
        init, loss = squares(vit_of, depth=4, remat=remat)
        gradient = jax.jit(lambda *arguments: jax.grad(loss, has_aux=True)(*arguments)[0])
        compiled = gradient.lower(*shapes_of(init)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporaries(remat=True) < temporaries(remat=False) / 2


def test_batchnorm_sees_views_jointly_and_outputs_are_views_again(network):
    params, stats = network.init(jax.random.key(0))
    views = jax.random.normal(jax.random.key(1), (2, 5, 3))
    joined = views.swapaxes(0, 1).reshape(10, 3)
    expected, expected_stats = network.apply(params, stats, joined, train=True)
    outputs, new_stats = network.apply_views(params, stats, views, train=True)
    np.testing.assert_array_equal(outputs[0], expected[0::2])
    np.testing.assert_array_equal(outputs[1], expected[1::2])
    jax.tree.map(np.testing.assert_array_equal, new_stats, expected_stats)
