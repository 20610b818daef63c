"""What the gradient of GELU keeps in memory."""

import jax
import jax.numpy as jnp

from ssl_jax.nn.cpu.gelu import gelu


def test_the_gradient_keeps_only_the_input():
    kept = jax.tree.leaves(jax.vjp(gelu, jnp.ones((7, 3)))[1])
    assert [x.shape for x in kept] == [(7, 3)]
