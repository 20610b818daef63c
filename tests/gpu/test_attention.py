"""cuDNN's attention matches the plain form in values and gradients, and needs less memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.nn.attention import attention
from ssl_jax.nn.platform import form, traced_as

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

# tokens of a ViT/16 at 224 pixels, of MAE's encoder, of DINO's small crops, and at 448 pixels
SHAPES = [(4, 197, 12, 64), (4, 50, 12, 64), (4, 37, 6, 64), (2, 785, 12, 64), (2, 64, 2, 128)]


@pytest.fixture(autouse=True)
def has_cudnn(accelerator):
    if form() != "cudnn":
        pytest.skip(f"{accelerator.device_kind} has no cuDNN attention")


def compiled(shape, dtype, causal, name):
    """Compiles attention and the gradients of a weighted sum; all arrays are arguments."""

    @partial(jax.grad, argnums=(0, 1, 2), has_aux=True)
    def f(query, key, value, weights):
        mixed = attention(query, key, value, causal=causal)
        return (mixed.astype(jnp.float32) * weights).sum(), mixed

    x, weights = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct(shape, jnp.float32)
    with traced_as(name):
        return jax.jit(f).lower(x, x, x, weights).compile()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_match_the_plain_form(shape, causal):
    draws = jax.random.normal(jax.random.key(0), (4, *shape))
    inputs = (*draws[:3].astype(jnp.bfloat16), draws[3])
    ours = compiled(shape, jnp.bfloat16, causal, "cudnn")(*inputs)
    plain = compiled(shape, jnp.bfloat16, causal, "plain")(*inputs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        assert np.linalg.norm(a - b) <= 2e-2 * np.linalg.norm(b)


def test_the_weights_of_all_pairs_are_never_in_memory():
    n, t, h, _ = shape = (16, 785, 12, 64)
    memory = {
        name: compiled(shape, jnp.bfloat16, False, name).memory_analysis().temp_size_in_bytes
        for name in ("cudnn", "plain")
    }
    assert memory["plain"] > n * h * t * t * 4
    assert memory["cudnn"] < n * h * t * t * 2
