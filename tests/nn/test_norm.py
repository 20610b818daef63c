"""BatchNorm: against nnx's, values, gradients and running statistics; its sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.nn.norm import BatchNorm, spread, sum_positions

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
def test_values_gradients_and_statistics_are_those_of_nnx(shape, running, dtype):
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
def test_sum_positions(shape):
    x = draw(*shape)
    expected = np.asarray(x, np.float64).reshape(-1, 5).sum(0)
    np.testing.assert_allclose(jax.jit(sum_positions)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_summing_and_spreading_are_each_other_s_gradients(shape):
    x, v = draw(*shape), draw(5)
    np.testing.assert_array_equal(
        jax.grad(lambda x: (sum_positions(x) * v).sum())(x), jnp.broadcast_to(v, shape)
    )
    np.testing.assert_allclose(
        jax.grad(lambda v: (spread(v, shape) * x).sum())(v), sum_positions(x), rtol=1e-6
    )


def test_sums_over_one_axis_first_on_a_cpu_alone():
    traced = jax.jit(sum_positions).trace(draw(4, 3, 2, 5))
    texts = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda", "tpu")}
    counts = {platform: text.count("stablehlo.reduce(") for platform, text in texts.items()}
    assert counts == {"cpu": 2, "cuda": 1, "tpu": 1}
