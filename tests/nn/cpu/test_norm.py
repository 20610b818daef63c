"""What the gradient of LayerNorm keeps in memory."""

import jax
import jax.numpy as jnp

from ssl_jax.nn.cpu.norm import layer_norm


def test_layer_norm_keeps_its_input_in_the_type_of_the_input():
    x, ones = jnp.ones((7, 64), jnp.bfloat16), jnp.ones(64)
    kept = jax.tree.leaves(jax.vjp(lambda x: layer_norm(x, ones, ones, 1e-6), x)[1])
    assert [(x.shape, x.dtype) for x in kept if x.shape == (7, 64)] == [((7, 64), jnp.bfloat16)]
