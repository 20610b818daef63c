"""Late fusion: each tile is encoded alone, and the head reads the codes in the given order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.nn.heads import MLP
from ssl_jax.nn.late_fusion import LateFusion

RNG = np.random.default_rng(0)
TILES = jnp.asarray(RNG.normal(size=(4, 3, 6, 6, 1)), jnp.float32)
READ = jnp.asarray(RNG.integers(0, 3, (4, 5, 2)))


def resnet(rngs):
    sizes = {"channels": 1, "blocks": (1,), "widths": (4,), "bottleneck": False, "stem": "small"}
    return ResNet(**sizes, rngs=rngs)


@pytest.fixture(scope="module")
def made():
    network = from_module(lambda rngs: LateFusion(resnet(rngs), 6, 2, (7, 3), rngs=rngs))
    return network, *network.init(jax.random.key(0))


@pytest.mark.parametrize("train", [True, False])
def test_the_head_reads_the_codes_of_the_tiles_in_question(made, train):
    network, params, stats = made
    logits, new = network.apply(params, stats, TILES, READ, train=train)
    tower, tower_stats = from_module(resnet).apply(
        params["backbone"], stats["backbone"], TILES.reshape(12, 6, 6, 1), train=train
    )
    codes = np.asarray(tower["features"], np.float64) @ np.asarray(params["linear"]["kernel"])
    mean, var = (codes.mean(0), codes.var(0)) if train else (0, 1)
    codes = np.maximum((codes - mean) / np.sqrt(var + 1e-5), 0).reshape(4, 3, 6)
    rows = [
        np.concatenate([codes[n, tile] for tile in READ[n, q]]) for n in range(4) for q in range(5)
    ]
    head = from_module(lambda rngs: MLP(12, (7, 3), rngs=rngs))
    expected, _ = head.apply(
        params["head"], stats["head"], jnp.asarray(rows, jnp.float32), train=train
    )
    np.testing.assert_allclose(logits, expected.reshape(4, 5, 3), rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, new["backbone"], tower_stats)


def test_layers_are_the_backbone_s(made):
    _, params, stats = made
    whole = from_module(
        lambda rngs: LateFusion(resnet(rngs), 6, 2, (7, 3), rngs=rngs), call="layers"
    )
    images = jnp.asarray(RNG.normal(size=(4, 9, 9, 1)), jnp.float32)
    found, _ = whole.apply(params, stats, images, train=False)
    expected, _ = from_module(resnet).apply(
        params["backbone"], stats["backbone"], images, train=False
    )
    assert found.keys() == expected.keys()
    for name, layer in expected.items():
        np.testing.assert_array_equal(found[name], layer)
