"""ViTs: published parameter counts, a forward pass in NumPy, the parts that methods use."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones import vit
from ssl_jax.nn.backbones.pool import cell_means
from ssl_jax.nn.positions import interpolated
from tests.references import vit as reference

SIDE, PATCH, WIDTH, HEADS, DEPTH = 8, 2, 12, 3, 2


def make(rngs, **options):
    sizes = {"image_size": SIDE, "patch_size": PATCH, "width": WIDTH, "heads": HEADS}
    return vit.ViT(**({"channels": 3, "depth": DEPTH, "rngs": rngs} | sizes | options))


@functools.cache
def module(**options):
    """A ViT with noisy parameters, so that none has a value that does nothing, such as 0."""
    graph, state = nnx.split(make(nnx.Rngs(params=jax.random.key(0)), **options))
    rng = np.random.default_rng(1)
    return nnx.merge(
        graph, jax.tree.map(lambda x: x + rng.normal(0, 0.2, x.shape).astype(np.float32), state)
    )


def layers_of(network, images, train=True):
    return jax.jit(lambda images: network(images, train=train))(images)


def outputs_of(network, tokens):
    return jax.jit(lambda tokens: network.encode(network.with_class_token(tokens)))(tokens)


def params_of(network):
    def named(tree):
        return {str(k): named(v) for k, v in tree.items()} if isinstance(tree, dict) else tree

    return named(nnx.to_pure_dict(nnx.state(network, nnx.Param)))


@pytest.fixture
def images():
    return jax.random.normal(jax.random.key(2), (2, SIDE, SIDE, 3))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vit_tiny", 5_717_416),
        ("vit_small", 22_050_664),
        ("vit_base", 86_567_656),
        ("vit_large", 304_326_632),
    ],
)
def test_parameter_counts_with_a_head_for_1000_classes_match_the_published_ones(name, parameters):
    network = from_module(
        lambda rngs: backbones.BACKBONES[name](
            channels=3, image_size=224, patch_size=16, pool="cls", rngs=rngs
        )
    )
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count + 1000 * params["class_token"].shape[-1] + 1000 == parameters
    assert stats == {}


@pytest.mark.parametrize("pool", ["cls", "mean", "grid"])
def test_layers_match_the_numpy_forward_pass(images, pool):
    network = module(pool=pool)
    layers = layers_of(network, images)
    tokens = reference.vit(params_of(network), np.asarray(images), patch=PATCH, heads=HEADS)
    assert list(layers) == ["block1", "block2", "features"]
    for (name, layer), expected in zip(layers.items(), tokens, strict=True):
        patches = expected[:, 1:].reshape(2, 4, 4, WIDTH)
        pooled = {
            "cls": expected[:, 0],
            "mean": patches.mean((1, 2)),
            "grid": patches.reshape(2, 16 * WIDTH),
        }[pool]
        np.testing.assert_allclose(layer, pooled, rtol=1e-4, atol=1e-5, err_msg=name)
        assert layer.dtype == jnp.float32
    assert layers["features"].shape == (2, network.features)


@pytest.mark.parametrize("pool", ["cls", "grid"])
def test_patches_are_the_encoding_without_the_class_token_and_not_computed_in_training(
    images, pool
):
    network = module(pool=pool)
    layers, trained = (layers_of(network, images, train=train) for train in (False, True))
    encoding = reference.vit(params_of(network), np.asarray(images), patch=PATCH, heads=HEADS)[-1]
    np.testing.assert_allclose(layers["patches"], encoding[:, 1:], rtol=1e-4, atol=1e-5)
    assert layers["patches"].dtype == jnp.float32
    assert layers.keys() - trained.keys() == {"last4", "patches"}


@pytest.mark.parametrize("depth", [2, 6])
def test_last4_joins_the_normalized_class_tokens_of_four_blocks(images, depth):
    network = module(pool="cls", depth=depth)
    layers, params = layers_of(network, images, train=False), params_of(network)
    blocks = [np.asarray(layers[f"block{i}"]) for i in range(1, depth + 1)][-4:]
    expected = [reference.layer_norm(params["norm"], x) for x in blocks]
    np.testing.assert_allclose(layers["last4"], np.hstack(expected), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(layers["last4"][:, -WIDTH:], layers["features"])


@pytest.mark.parametrize("remat", [False, True])
def test_attention_maps_are_the_class_token_s_weights_in_the_last_block(images, remat):
    network = module(remat=remat)
    maps = np.asarray(jax.jit(network.attention_maps)(images))
    params = params_of(network)
    block, size = params["blocks"][str(DEPTH - 1)], WIDTH // HEADS
    before_last = reference.vit(params, np.asarray(images), patch=PATCH, heads=HEADS)[DEPTH - 2]
    for i, x in enumerate(before_last):
        qkv = reference.linear(block["qkv"], reference.layer_norm(block["norm1"], x))
        for head in range(HEADS):
            q = qkv[0, head * size : (head + 1) * size]
            k = qkv[:, WIDTH + head * size : WIDTH + (head + 1) * size]
            weights = np.exp(k @ q / np.sqrt(size))
            weights /= weights.sum()
            np.testing.assert_allclose(maps[i, head].ravel(), weights[1:], rtol=1e-3, atol=1e-6)
            np.testing.assert_allclose(maps[i, head].sum() + weights[0], 1, rtol=1e-5)
    assert maps.shape == (2, HEADS, SIDE // PATCH, SIDE // PATCH)
    assert np.ptp(maps) > 0.01


def test_attention_maps_have_the_shape_of_the_image_and_are_float32():
    network = module(dtype=jnp.bfloat16)
    maps = network.attention_maps(jnp.ones((1, 4 * PATCH, 2 * PATCH, 3)))
    assert (maps.shape, maps.dtype) == ((1, HEADS, 4, 2), jnp.float32)


def test_initialization_is_that_of_dino():
    params, _ = from_module(lambda rngs: make(rngs, width=96, depth=1)).init(jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if "bias" in name:
            assert not leaf.any(), name
        elif "scale" in name:
            assert (leaf == 1).all(), name
        elif "embedding" in name:
            assert np.isclose(leaf.std(), (1 / (3 * PATCH**2 * 3)) ** 0.5, rtol=0.1), name
        else:
            assert np.isclose(leaf.std(), 0.02, rtol=0.1), name


def test_another_initialization_is_that_of_all_weights():
    xavier = jax.nn.initializers.glorot_uniform()
    network = from_module(lambda rngs: make(rngs, width=96, depth=1, kernel_init=xavier))
    params, _ = network.init(jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if "kernel" in name:
            assert np.isclose(leaf.std(), (2 / sum(leaf.shape)) ** 0.5, rtol=0.05), name


def test_once_positions_are_added_the_order_of_tokens_does_not_matter(images):
    network = module()
    tokens = network.patches(images)
    order = np.random.default_rng(0).permutation(tokens.shape[1])
    plain = outputs_of(network, tokens)
    permuted = outputs_of(network, tokens[:, order])
    for a, b in zip(plain, permuted, strict=True):
        np.testing.assert_allclose(a[:, 0], b[:, 0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a[:, 1:][:, order], b[:, 1:], rtol=1e-4, atol=1e-5)


def test_a_subset_of_patches_can_be_encoded(images):
    network = module()
    visible = network.patches(images)[:, 3:8]
    outputs = outputs_of(network, visible)
    assert [x.shape for x in outputs] == [(2, 6, WIDTH)] * DEPTH


def test_positions_are_the_learned_ones_at_the_original_size():
    network = module()
    learned = network.patch_positions[...].reshape(16, WIDTH)
    np.testing.assert_array_equal(network.positions(4, 4), learned)


@pytest.mark.parametrize("shape", [(8, 8), (2, 6)])
def test_positions_are_interpolated_at_another_size(shape):
    network = module()
    expected = interpolated(network.patch_positions[...], *shape)
    positions = network.positions(*shape)
    np.testing.assert_array_equal(positions, expected.reshape(-1, WIDTH))
    images = jax.random.normal(jax.random.key(0), (2, PATCH * shape[0], PATCH * shape[1], 3))
    bare = network.patches(images) - positions
    np.testing.assert_allclose(
        bare[:, 1],
        network.embedding(images[:, :PATCH, PATCH : 2 * PATCH].reshape(2, -1)),
        atol=1e-5,
    )


def test_grid_pooling_works_on_maps_of_any_size():
    network = module(pool="grid")
    images = jax.random.normal(jax.random.key(0), (2, 12, 20, 3))
    outputs = outputs_of(network, network.patches(images))
    patches = network.norm(outputs[-1])[:, 1:].reshape(2, 6, 10, WIDTH)
    features = layers_of(network, images)["features"]
    np.testing.assert_allclose(features, cell_means(patches, 4), rtol=1e-5, atol=1e-6)


def test_bfloat16_computes_in_bfloat16_and_stays_near_float32(images):
    half, full = module(dtype=jnp.bfloat16), module()
    assert {x.dtype for x in jax.tree.leaves(nnx.state(half))} == {jnp.dtype("float32")}
    tokens = half.patches(images)
    for x in (tokens, half.with_class_token(tokens), *outputs_of(half, tokens)):
        assert x.dtype == jnp.bfloat16
    layers, exact = layers_of(half, images), layers_of(full, images)
    for name, layer in layers.items():
        assert layer.dtype == jnp.float32
        scale = np.abs(exact[name]).max()
        np.testing.assert_allclose(layer, exact[name], atol=0.03 * scale, err_msg=name)


def test_sides_that_do_not_split_into_patches_are_refused():
    with pytest.raises(ValueError, match=r"^side of 9 does not split into patches of 2$"):
        module(image_size=9)
    with pytest.raises(ValueError, match=r"^side of 7 does not split into patches of 2$"):
        module().patches(jnp.zeros((1, SIDE, 7, 3)))
