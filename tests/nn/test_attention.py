"""Attention matches loops in NumPy; its softmax is in float32."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.nn.attention import attention


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
