"""Linear layers match flax in values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.linear import Linear

pytestmark = pytest.mark.usefixtures("both_forms")


def draw(*shape, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(sum(shape)), shape, dtype)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradients_match_nnx_linear(shape, bias):
    ours = Linear(3, 6, use_bias=bias, rngs=nnx.Rngs(0))
    plain = nnx.Linear(3, 6, use_bias=bias, rngs=nnx.Rngs(0))
    x = draw(*shape)

    def value_and_gradients(module):
        graph, params = nnx.split(module)
        return jax.value_and_grad(lambda p, x: jnp.sin(nnx.merge(graph, p)(x)).sum(), (0, 1))(
            params, x
        )

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        jax.tree.leaves(value_and_gradients(ours)),
        jax.tree.leaves(value_and_gradients(plain)),
    )
