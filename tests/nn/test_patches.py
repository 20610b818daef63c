"""Patches, their positions, and where the decoder puts codes."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ssl_jax.nn import from_module
from ssl_jax.nn.patches import PatchDecoder, patches, put, sines, take, unpatched


def test_unpatched_inverts_patches():
    images = jnp.asarray(np.random.default_rng(0).random((2, 6, 6, 3)), jnp.float32)
    pieces = patches(images, 2)
    np.testing.assert_array_equal(pieces[1, 5], images[1, 2:4, 4:6].ravel())
    np.testing.assert_array_equal(unpatched(pieces, images.shape, 2), images)


def test_sines_distinguish_rows_from_columns():
    found = sines(9, 8)
    assert found.shape == (9, 8)
    y, x = 2, 1
    f = np.array([1, 1 / 100])
    expected = np.concatenate([np.sin(y * f), np.cos(y * f), np.sin(x * f), np.cos(x * f)])
    np.testing.assert_allclose(found[3 * y + x], expected, rtol=1e-6)


class Decoder(nnx.Module):
    """A decoder without blocks, which leaves every token at its place."""

    def __init__(self, rngs):
        self.decoder = PatchDecoder(5, 3, width=8, depth=0, heads=2, rngs=rngs)

    def __call__(self, code, visible, *, train):
        return self.decoder(code, visible, 9)


def test_codes_are_put_at_their_places_and_mask_tokens_elsewhere():
    network = from_module(Decoder)
    params, _ = network.init(jax.random.key(0))
    code = np.random.default_rng(0).normal(size=(2, 4, 5))
    visible = np.array([[7, 0, 3], [1, 8, 2]])
    found, _ = network.apply(
        params, {}, jnp.asarray(code, jnp.float32), jnp.asarray(visible), train=True
    )
    own = jax.tree.map(lambda x: np.asarray(x, np.float64), params["decoder"])
    for row, places, pixels in zip(code, visible, found, strict=True):
        tokens = np.tile(own["mask_token"], (9, 1))
        for token, place in zip(row[1:], places, strict=True):
            tokens[place] = token @ own["embedding"]["kernel"] + own["embedding"]["bias"]
        x = tokens + sines(9, 8)
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6)
        x = x * own["norm"]["scale"] + own["norm"]["bias"]
        expected = x @ own["head"]["kernel"] + own["head"]["bias"]
        np.testing.assert_allclose(pixels, expected, atol=1e-4)


def test_take_reads_the_given_places_and_put_writes_them():
    tokens = jnp.arange(30, dtype=jnp.float32).reshape(2, 5, 3)
    places = jnp.array([[3, 0], [4, 1]])
    taken = jax.jit(take)(tokens, places)
    np.testing.assert_array_equal(taken, [tokens[0, [3, 0]], tokens[1, [4, 1]]])
    expected = np.array(tokens)
    for row in range(2):
        expected[row, places[row]] = -taken[row]
    np.testing.assert_array_equal(jax.jit(put)(tokens, places, -taken), expected)
    gradient = jax.grad(lambda tokens: (take(tokens, places) * taken).sum())(tokens)
    np.testing.assert_array_equal(gradient, np.where(expected == -tokens, tokens, 0))
