"""The convolution against XLA's own: value, both gradients; nothing gathered when sharded."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from ssl_jax.nn.conv import Conv, conv
from tests import tiny


def plain(x, kernel, stride):
    """XLA's convolution with PyTorch's padding, its gradients XLA's too."""
    k = kernel.shape[0]
    padding = []
    for size in x.shape[1:3]:
        before = (k - 1) // 2
        after = (-(-size // stride) - 1) * stride + k - size - before
        padding.append((before, max(after, 0)))
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def inputs(n, h, w, i, o, k):
    x_key, kernel_key = jax.random.split(jax.random.key(n * h + k))
    return jax.random.normal(x_key, (n, h, w, i)), jax.random.normal(kernel_key, (k, k, i, o))


@pytest.mark.parametrize("k", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("n", [1, 24])
def test_value_and_gradients_are_xlas(k, stride, n):
    x, kernel = inputs(n, 9, 8, 3, 5, k)

    def loss(function):
        return jax.value_and_grad(
            lambda x, kernel: jnp.sin(function(x, kernel, stride)).sum(), argnums=(0, 1)
        )(x, kernel)

    (ours, (dx, dkernel)), (value, (dx0, dkernel0)) = loss(conv), loss(plain)
    np.testing.assert_allclose(ours, value, rtol=1e-5)
    np.testing.assert_allclose(dx, dx0, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dkernel, dkernel0, rtol=1e-4, atol=1e-4)


def test_weight_gradient_by_loops():
    x, kernel = inputs(2, 4, 5, 2, 3, 3)
    dy = np.random.default_rng(9).normal(size=(2, 2, 3, 3)).astype(np.float32)
    _, vjp = jax.vjp(lambda kernel: conv(x, kernel, 2), kernel)
    padded = np.pad(np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros(kernel.shape)
    for n, p, q, r, c in itertools.product(range(2), range(2), range(3), range(3), range(3)):
        expected[r, c] += np.outer(padded[n, 2 * p + r, 2 * q + c], dy[n, p, q])
    np.testing.assert_allclose(vjp(jnp.asarray(dy))[0], expected, rtol=1e-4, atol=1e-5)


def test_with_a_sharded_batch_the_gradient_gathers_no_images():
    mesh = tiny.mesh(8)
    x, kernel = inputs(32, 8, 8, 4, 4, 3)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    whole = NamedSharding(mesh, PartitionSpec())
    gradient = jax.jit(
        jax.grad(lambda kernel, x: jnp.sin(conv(x, kernel, 1)).sum()),
        in_shardings=(whole, rows),
        out_shardings=whole,
    )
    text = gradient.lower(kernel, x).compile().as_text()
    assert "all-reduce" in text
    assert "all-gather" not in text
    assert "all-to-all" not in text


def test_module_computes_in_its_dtype_and_keeps_float32_parameters():
    module = Conv(3, 8, 3, dtype=jnp.bfloat16, rngs=nnx.Rngs(params=0))
    x, _ = inputs(2, 6, 6, 3, 8, 3)
    assert module.kernel[...].dtype == jnp.float32
    y = module(x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y, plain(x, module.kernel[...], 1), atol=0.1)


def test_initial_outputs_keep_the_scale_of_he_initialisation():
    kernel = Conv(64, 128, 3, rngs=nnx.Rngs(params=0)).kernel[...]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (128 * 9)), rtol=0.02)
