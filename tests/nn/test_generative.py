"""Decoders and discriminators: transposed convolutions, the channel-wise layer, shapes."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import from_module, generative
from ssl_jax.nn.backbones.dcgan import DCGANEncoder

RNG = np.random.default_rng(0)


def test_doubling_is_a_transposed_convolution():
    layer = generative.Doubling(2, 3, dtype=jnp.float32, rngs=nnx.Rngs(0))
    kernel = np.asarray(layer.kernel[...], np.float64)
    x = RNG.normal(size=(1, 3, 2, 2))
    expected = np.zeros((1, 6 + 2, 4 + 2, 3))  # with a border of 1, which is cut off
    for i in range(3):
        for j in range(2):
            for a in range(4):
                for b in range(4):
                    expected[0, 2 * i + a, 2 * j + b] += x[0, i, j] @ kernel[3 - a, 3 - b]
    y = layer(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, expected[:, 1:-1, 1:-1], atol=1e-6)


def test_the_channel_wise_layer_connects_positions_per_channel_and_then_mixes_channels():
    layer = generative.ChannelWise(16 * 3, 2, dtype=jnp.float32, rngs=nnx.Rngs(0))
    kernel, mix = np.asarray(layer.kernel[...]), np.asarray(layer.mix.kernel[...])[0, 0]
    x = RNG.normal(size=(2, 4, 4, 3)).astype(np.float32)
    made = np.zeros((2, 16, 3))
    for n in range(2):
        for c in range(3):
            made[n, :, c] = x[n, :, :, c].reshape(16) @ kernel[c]
    expected = (made @ mix).reshape(2, 4, 4, 2)
    y = layer(jnp.asarray(x.reshape(2, -1)), train=True)
    np.testing.assert_allclose(y, expected, atol=1e-5)


FIRST = {
    "channel_wise": (partial(generative.ChannelWise, 48, 8), 3 * 16 * 16 + 3 * 8),
    "bottleneck": (partial(generative.Bottleneck, 48, 5, 8), 48 * 5 + 2 * 5 + 5 * 16 * 8),
    "dense": (partial(generative.Dense, 48, 8), 48 * 16 * 8),
}


@pytest.mark.parametrize("kind", FIRST)
def test_a_decoder_paints_a_picture_of_the_given_side(kind):
    first, count = FIRST[kind]

    def make(rngs):
        return generative.Decoder(first(dtype=jnp.float32, rngs=rngs), (8, 6), 1, 14, rngs=rngs)

    decoder = from_module(make)
    params, stats = jax.jit(decoder.init)(jax.random.key(0))
    x = jnp.asarray(RNG.normal(size=(4, 16 * 3)), jnp.float32)
    pictures, _ = jax.jit(lambda x: decoder.apply(params, stats, x, train=True))(x)
    assert pictures.shape == (4, 14, 14, 1)
    assert not np.allclose(pictures[0], pictures[1])
    counts = {name: sum(x.size for x in jax.tree.leaves(part)) for name, part in params.items()}
    assert counts == {"first": count, "norms": 2 * (8 + 6), "layers": 16 * (8 * 6 + 6)}


def test_a_decoder_that_is_too_short_is_refused():
    first = generative.Dense(16, 8, dtype=jnp.float32, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"^1 doublings make 8 pixels; expected 9$"):
        generative.Decoder(first, (8,), 1, 9, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(("side", "left"), [(14, 4), (16, 4), (5, 2)])
def test_a_discriminator_has_one_logit_per_picture(side, left):
    network = from_module(lambda rngs: generative.Discriminator(3, (4, 8), side, rngs=rngs))
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    pictures = jax.ShapeDtypeStruct((6, side, side, 3), jnp.float32)
    logits, _ = jax.eval_shape(
        lambda p, s, x: network.apply(p, s, x, train=True), params, stats, pictures
    )
    assert logits.shape == (6,)
    assert params["last"]["kernel"].shape == (left * left * 8, 1)
    assert "norm" not in params["layers"]["0"]
    assert params["layers"]["1"]["norm"]["scale"].shape == (8,)


def test_the_dcgan_encoder_pools_each_layer_and_can_be_rematerialized():
    images = jnp.asarray(RNG.normal(size=(4, 8, 8, 1)), jnp.float32)

    def gradient(remat):
        network = from_module(
            lambda rngs: DCGANEncoder(
                channels=1, widths=(3, 5), pool="grid", remat=remat, rngs=rngs
            )
        )

        @jax.jit
        def run(key):
            params, stats = network.init(key)

            def loss(params):
                layers, _ = network.apply(params, stats, images, train=True)
                return jnp.square(layers["features"]).sum(), layers

            return jax.grad(loss, has_aux=True)(params)

        return run(jax.random.key(0))

    (plain, layers), (again, _) = gradient(False), gradient(True)
    widths = {"layer1": 3, "layer2": 5, "features": 5}
    assert {name: x.shape for name, x in layers.items()} == {
        name: (4, 16 * width) for name, width in widths.items()
    }
    chex.assert_trees_all_close(plain, again, rtol=1e-4, atol=1e-5)


def test_patches_of_the_dcgan_encoder_are_the_last_map_row_by_row():
    images = jnp.asarray(RNG.normal(size=(2, 16, 16, 1)), jnp.float32)
    network = from_module(
        lambda rngs: DCGANEncoder(channels=1, widths=(3, 5), pool="grid", rngs=rngs)
    )
    params, stats = network.init(jax.random.key(0))
    layers, _ = jax.jit(lambda x: network.apply(params, stats, x, train=False))(images)
    assert layers["patches"].shape == (2, 16, 5)
    trained, _ = jax.eval_shape(lambda x: network.apply(params, stats, x, train=True), images)
    assert layers.keys() - trained.keys() == {"patches"}
    # each cell of the grid is one position of a 4 x 4 map
    flat = layers["patches"].reshape(2, -1)
    np.testing.assert_allclose(flat, layers["features"], rtol=1e-6, atol=1e-6)
