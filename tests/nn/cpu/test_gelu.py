"""What the gradient of GELU keeps."""

import jax
import jax.numpy as jnp

from ssl_jax.nn.cpu.gelu import gelu


def test_gradient_keeps_the_input_alone():
    kept = jax.tree.leaves(jax.vjp(gelu, jnp.ones((7, 3)))[1])
    assert [x.shape for x in kept] == [(7, 3)]
