"""ResNets: published parameter counts, shapes of the stages, the 4 x 4 grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones import resnet
from tests import tiny


def shapes(name: str, stem: str, images: tuple[int, ...], pool: str = "mean"):
    network = from_module(
        lambda rngs: backbones.BACKBONES[name](channels=images[-1], stem=stem, pool=pool, rngs=rngs)
    )
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct(images, jnp.float32)
    layers, _ = jax.eval_shape(lambda p, s, x: network.apply(p, s, x, train=True), params, stats, x)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    return count, {layer: value.shape for layer, value in layers.items()}


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet18", 11.69), ("resnet34", 21.80), ("resnet50", 25.56)]
)
def test_parameter_counts_with_a_head_for_1000_classes_match_the_published_ones(name, millions):
    count, layers = shapes(name, "imagenet", (2, 224, 224, 3))
    features = layers["features"][1]
    head = 1000 * features + 1000
    assert round((count + head) / 1e6, 2) == millions
    assert features == (2048 if name == "resnet50" else 512)


def test_each_stem_has_its_resolution():
    def first_map(stem, side):
        network = from_module(
            lambda rngs: resnet.resnet_small(channels=1, stem=stem, blocks=(0, 0, 0), rngs=rngs)
        )
        params, stats = jax.eval_shape(network.init, jax.random.key(0))
        text = str(
            jax.make_jaxpr(lambda p, s, x: network.apply(p, s, x, train=False))(
                params, stats, jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
            )
        )
        return text

    assert "f32[1,56,56,16]" in first_map("imagenet", 224)
    assert "f32[1,32,32,16]" in first_map("small", 32)
    assert "f32[1,14,14,16]" in first_map("patch", 28)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_patches_are_the_last_map_row_by_row_and_not_computed_in_training(dtype):
    network = from_module(
        lambda rngs: resnet.resnet_small(
            channels=1, stem="patch", pool="grid", dtype=dtype, rngs=rngs
        )
    )
    params, stats = network.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (3, 28, 28, 1))
    layers, _ = jax.jit(lambda x: network.apply(params, stats, x, train=False))(images)
    assert layers["patches"].shape == (3, 4 * 4, 64)
    assert layers["patches"].dtype == jnp.float32
    # each cell of the grid is one position of a 4 x 4 map
    flat = layers["patches"].reshape(3, -1)
    np.testing.assert_allclose(flat, layers["features"], rtol=1e-6, atol=1e-6)
    trained, _ = jax.eval_shape(lambda x: network.apply(params, stats, x, train=True), images)
    assert layers.keys() - trained.keys() == {"patches"}


@pytest.mark.parametrize(("pool", "cells"), [("mean", 1), ("grid", 16)])
def test_layers_of_the_small_network(pool, cells):
    _, layers = shapes("resnet_small", "patch", (5, 28, 28, 1), pool=pool)
    widths = {"stage1": 16, "stage2": 32, "stage3": 64, "features": 64}
    assert layers == {name: (5, cells * width) for name, width in widths.items()}


@pytest.mark.parametrize("block", [resnet.BasicBlock, resnet.Bottleneck])
def test_a_block_whose_branch_starts_at_zero_is_the_identity(block):
    """As the ResNets of SimCLR's, BYOL's and SimSiam's code; MoCo's do not."""
    width = 8 if block is resnet.BasicBlock else 2
    x = jax.random.normal(jax.random.key(1), (2, 4, 4, 8))
    found = {}
    for zero in (True, False):
        made = block(
            8, width, stride=1, zero_residual=zero, dtype=jnp.float32, rngs=nnx.Rngs(params=0)
        )
        found[zero] = made(x, train=True)
    np.testing.assert_array_equal(found[True], nnx.relu(x))
    assert np.abs(found[False] - nnx.relu(x)).max() > 0.1


def test_every_block_starts_so_if_the_config_says_so():
    config = tiny.config()
    config.network.update({"name": "resnet18", "zero_residual": True})
    config = tiny.resolved(config, tiny.data())
    params, _ = from_module(lambda rngs: backbones.make(config, rngs)).init(jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if "scale" in name:
            assert (leaf == (0 if "norm2" in name else 1)).all(), name


def test_the_middle_convolution_of_a_bottleneck_has_the_stride():
    """As in PyTorch's and the authors' newer ResNets; the paper's has it in the first one."""
    block = resnet.Bottleneck(8, 4, stride=2, dtype=jnp.float32, rngs=nnx.Rngs(params=0))
    x = jnp.ones((1, 8, 8, 8))
    assert block.conv1(x).shape == (1, 8, 8, 4)
    assert block.conv2(block.conv1(x)).shape == (1, 4, 4, 4)
    assert block(x, train=True).shape == (1, 4, 4, 16)
