"""Networks that are put together from modules: an encoder with a projector, and a painter."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.dcgan import DCGANEncoder
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.nn.encoder import Encoder
from ssl_jax.nn.generative import Decoder, Dense
from ssl_jax.nn.heads import MLP
from ssl_jax.nn.painter import Painter

IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 1)), jnp.float32)


def resnet(rngs):
    sizes = {"channels": 1, "blocks": (1,), "widths": (4,), "bottleneck": False, "stem": "small"}
    return ResNet(**sizes, rngs=rngs)


def test_an_encoder_projects_the_features_and_keeps_the_backbone_s_layers():
    def make(rngs):
        backbone = resnet(rngs)
        return Encoder(backbone, MLP(backbone.features, (5, 3), rngs=rngs))

    params, stats = from_module(make).init(jax.random.key(0))
    assert set(params) == {"backbone", "projector"}
    layers, new = from_module(make).apply(params, stats, IMAGES, train=True)

    backbone = from_module(resnet)
    projector = from_module(lambda rngs: MLP(4, (5, 3), rngs=rngs))
    expected, backbone_stats = backbone.apply(
        params["backbone"], stats["backbone"], IMAGES, train=True
    )
    z, projector_stats = projector.apply(
        params["projector"], stats["projector"], expected["features"], train=True
    )
    assert layers.keys() == expected.keys() | {"z"}
    for name, value in (expected | {"z": z}).items():
        np.testing.assert_allclose(layers[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    jax.tree.map(
        np.testing.assert_array_equal,
        new,
        {"backbone": backbone_stats, "projector": projector_stats},
    )


def painter(rngs: nnx.Rngs) -> Painter:
    encoder = DCGANEncoder(channels=1, widths=(3,), pool="grid", rngs=rngs)
    firsts = [Dense(encoder.features, 4, dtype=jnp.float32, rngs=rngs) for _ in range(2)]
    return Painter(encoder, *(Decoder(first, (4,), 1, 6, rngs=rngs) for first in firsts))


def test_a_painter_has_two_decoders_of_which_one_trains_the_encoder():
    network = from_module(painter)
    params, stats = network.init(jax.random.key(0))
    assert set(params) == {"encoder", "decoder", "l2_decoder"}
    large = jax.tree.map(lambda x: 50 * x, params)
    layers, _ = network.apply(large, stats, IMAGES, train=True)
    for name in ("joint", "l2"):
        assert 0.9 < np.abs(layers[name]).max() <= 1

    def total(params, name):
        layers, _ = network.apply(params, stats, IMAGES, train=True)
        assert layers["joint"].shape == layers["l2"].shape == (4, 6, 6, 1)
        assert layers.keys() >= {"layer1", "features"}
        return jnp.square(layers[name]).sum()

    for name, trained in (("joint", {"encoder", "decoder"}), ("l2", {"l2_decoder"})):
        gradient = jax.jit(jax.grad(total), static_argnums=1)(params, name)
        moved = {
            part for part, leaves in gradient.items() if any(map(np.any, jax.tree.leaves(leaves)))
        }
        assert moved == trained
