"""BatchNorm and LayerNorm match nnx in values, gradients and running statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.norm import BatchNorm, LayerNorm

pytestmark = pytest.mark.usefixtures("both_forms")
SHAPES = [(6, 5), (4, 3, 5), (4, 3, 2, 5)]


def draw(*shape, dtype=jnp.float32):
    return 2 + 3 * jax.random.normal(jax.random.key(len(shape)), shape, dtype)


def made(kind, dtype=jnp.float32):
    module = kind(5, momentum=0.9, epsilon=1e-5, dtype=dtype, rngs=nnx.Rngs(0))
    module.scale[...], module.bias[...] = jnp.arange(1.0, 6.0), jnp.linspace(-1, 1, 5)
    return module


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_gradients_and_statistics_of_batch_norm_match_nnx(shape, running, dtype):
    def run(kind):
        graph, params, stats = nnx.split(made(kind, dtype), nnx.Param, ...)

        def loss(params, x):
            module = nnx.merge(graph, params, stats, copy=True)
            y = module(x, use_running_average=running)
            assert y.dtype == dtype
            return jnp.sin(y.astype(jnp.float32)).sum(), (y, nnx.state(module, nnx.BatchStat))

        gradients, (y, moved) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(
            params, draw(*shape, dtype=dtype)
        )
        return jax.tree.leaves((gradients, y, moved))

    tolerance = 1e-4 if dtype == jnp.float32 else 0.06
    for ours, theirs in zip(run(BatchNorm), run(nnx.BatchNorm), strict=True):
        ours, theirs = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_and_gradients_of_layer_norm_match_nnx(shape, dtype):
    def run(kind):
        module = kind(5, epsilon=1e-6, dtype=dtype, rngs=nnx.Rngs(0))
        module.scale[...], module.bias[...] = jnp.arange(1.0, 6.0), jnp.linspace(-1, 1, 5)
        graph, params = nnx.split(module)

        def loss(params, x):
            y = nnx.merge(graph, params)(x)
            assert y.dtype == dtype
            return jnp.sin(y.astype(jnp.float32)).sum(), y

        x = draw(*shape, dtype=dtype)
        return jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x))

    tolerance = 1e-4 if dtype == jnp.float32 else 0.06
    for ours, theirs in zip(run(LayerNorm), run(nnx.LayerNorm), strict=True):
        ours, theirs = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_layer_norm_computes_the_variance_of_numbers_far_from_zero():
    x = 1e4 + np.array([[-1.0, 0, 1, 2]], np.float32)
    module = LayerNorm(4, epsilon=1e-6, dtype=jnp.float32, rngs=nnx.Rngs(0))
    expected = (x - x.mean()) / x.astype(np.float64).std()
    np.testing.assert_allclose(module(jnp.asarray(x)), expected, rtol=1e-5)
