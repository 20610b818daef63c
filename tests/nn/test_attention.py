"""Attention matches loops in NumPy; its softmax is in float32."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from ssl_jax.nn.attention import attention
from ssl_jax.nn.platform import traced_as


def draw(*shape):
    return jax.random.normal(jax.random.key(sum(shape)), shape)


def test_values_match_loops():
    query, key, value = draw(2, 4, 3, 5), draw(2, 6, 3, 5), draw(2, 6, 3, 5) + 1
    expected = np.zeros((2, 4, 3, 5))
    for n, q, h in np.ndindex(2, 4, 3):
        logits = [np.dot(query[n, q, h], key[n, k, h]) / np.sqrt(5) for k in range(6)]
        weights = np.exp(logits) / np.exp(logits).sum()
        expected[n, q, h] = sum(w * np.asarray(value[n, k, h]) for k, w in enumerate(weights))
    np.testing.assert_allclose(attention(query, key, value), expected, rtol=1e-5, atol=1e-6)


def test_a_causal_query_attends_to_keys_up_to_its_own_position():
    query, key, value = draw(2, 4, 3, 5), draw(2, 4, 3, 6)[..., :5], draw(2, 4, 3, 5) + 1
    mixed = attention(query, key, value, causal=True)
    for i in range(4):
        alone = attention(query[:, i : i + 1], key[:, : i + 1], value[:, : i + 1])
        np.testing.assert_allclose(mixed[:, i : i + 1], alone, rtol=1e-5, atol=1e-6)


def test_logits_and_softmax_are_in_float32():
    query, key = jnp.ones((1, 1, 1, 257)), jnp.ones((1, 2, 1, 257))
    key = key.at[0, 1, 0, 0].set(0)  # products of 257 and 256, which are equal in bfloat16
    value = jnp.zeros_like(key).at[0, 0].set(1)
    expected = attention(query, key, value)
    assert expected[0, 0, 0, 0] > 0.515
    narrow = attention(*(x.astype(jnp.bfloat16) for x in (query, key, value)))
    np.testing.assert_allclose(narrow.astype(jnp.float32), expected, atol=2**-9)


@pytest.mark.parametrize(("q", "k", "causal"), [(4, 4, False), (5, 5, True), (4, 5, False)])
def test_odd_numbers_of_positions_are_padded_for_cudnn(monkeypatch, q, k, causal):
    """JAX's own implementation stands in for cuDNN's kernel, which needs a GPU."""
    real, seen = jax.nn.dot_product_attention, []

    def kernel(query, key, value, *, implementation, **settings):
        seen.append((implementation, query.shape[1] % 2, key.shape[1] % 2, value.shape[1] % 2))
        return real(query, key, value, implementation="xla", **settings)

    @jax.jit
    @partial(jax.grad, argnums=(0, 1, 2), has_aux=True)
    def mixed_and_gradients(query, key, value, weights):
        mixed = attention(query, key, value, causal=causal)
        return (mixed * weights).sum(dtype=jnp.float32), mixed

    monkeypatch.setattr(jax.nn, "dot_product_attention", kernel)
    shapes = [(2, q, 3, 8), (2, k, 3, 8), (2, k, 3, 8), (2, q, 3, 8)]
    generator = np.random.default_rng(0)
    inputs = [jnp.asarray(generator.normal(size=shape), jnp.bfloat16) for shape in shapes]
    found = {}
    for name in ("plain", "cudnn"):
        with traced_as(name):
            found[name] = jax.tree.leaves(mixed_and_gradients(*inputs))
    assert seen == [("cudnn", 0, 0, 0)]
    for a, b in zip(found["cudnn"], found["plain"], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a.astype(np.float32), b.astype(np.float32), atol=4e-2)


@pytest.mark.parametrize("t", [13, 197])
def test_jax_accepts_the_gradient_of_cudnns_attention(monkeypatch, t):
    """Its checks run when the function is traced, before there is a GPU."""
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91900)
    x = jax.ShapeDtypeStruct((2, t, 6, 64), jnp.bfloat16)
    gradient = jax.grad(lambda x: attention(x, x, x).astype(jnp.float32).sum())
    with traced_as("cudnn"):
        assert jax.eval_shape(gradient, x).shape == x.shape
