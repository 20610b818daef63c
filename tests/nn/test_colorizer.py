"""The colorizer: the layers of its decoders, and where gradients stop."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.dcgan import DCGANEncoder
from ssl_jax.nn.colorizer import ColorDecoder, Colorizer


@pytest.mark.parametrize(("widths", "side"), [((5,), 4), ((5, 6), 8), ((5, 6, 7), 16)])
def test_each_further_width_doubles_the_map(widths, side):
    decoder = from_module(lambda rngs: ColorDecoder(48, widths, 9, rngs=rngs))
    params, stats = jax.jit(decoder.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (2, 48))
    made, _ = jax.jit(lambda x: decoder.apply(params, stats, x, train=True))(x)
    assert made.shape == (2, side, side, 9)
    doublings = sum(16 * i * o for i, o in pairwise(widths))
    count = 9 * 3 * 5 + doublings + 2 * sum(widths) + (widths[-1] + 1) * 9
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_a_decoder_keeps_the_layout_of_the_map():
    """A single position reaches its neighbors only: 3x3, and after doubling one pixel further."""
    decoder = from_module(lambda rngs: ColorDecoder(16 * 2, (4, 4), 3, rngs=rngs))
    params, stats = jax.jit(decoder.init)(jax.random.key(0))
    at = np.zeros((2, 4, 4, 2), np.float32)
    at[1, 0, 3] = 10.0
    made, _ = jax.jit(lambda x: decoder.apply(params, stats, x, train=False))(at.reshape(2, -1))
    changed = np.abs(made[1] - made[0]).max(axis=-1) > 1e-6
    assert changed.any()
    rows, columns = np.nonzero(changed)
    assert rows.max() <= 4
    assert columns.min() >= 3


def test_only_the_classifier_trains_the_encoder():
    def make(rngs: nnx.Rngs) -> Colorizer:
        encoder = DCGANEncoder(channels=1, widths=(4,), pool="grid", rngs=rngs)
        return Colorizer(encoder, *(ColorDecoder(64, (4,), o, rngs=rngs) for o in (5, 2)))

    network = from_module(make)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))

    @jax.jit
    @jax.jacrev
    def gradients(params):
        layers, _ = network.apply(params, stats, images, train=True)
        return jnp.stack([jnp.sum(layers[name] ** 3) for name in ("logits", "ab")])

    for part, leaves in gradients(params).items():
        largest = [np.abs(x).max(axis=tuple(range(1, x.ndim))) for x in jax.tree.leaves(leaves)]
        by_output = dict(zip(("logits", "ab"), np.array(largest).T, strict=True))
        trained = {"encoder": {"logits"}, "classifier": {"logits"}, "regressor": {"ab"}}[part]
        for output, sizes in by_output.items():
            assert sizes.min() > 0 if output in trained else sizes.max() == 0, (part, output)
