"""Quarter turns: against the reference, and how often each is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment.turns import rotate90, turn
from tests.augment import draws, picture, quick_jit
from tests.references import turns as reference


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 1), (5, 5, 3)])
def test_turn_agrees_with_the_reference(shape):
    image = picture(5, 5, 3)[: shape[0], : shape[1], : shape[2]]
    jitted = quick_jit(turn)
    batched = quick_jit(jax.vmap(turn, (None, 0)))(image, jnp.arange(-1, 6))
    for k, in_batch in zip(range(-1, 6), batched, strict=True):
        expected = reference.turn(image, k % 4)
        assert jitted(image, k).dtype == jnp.float32
        for actual in (turn(image, k), jitted(image, k), in_batch):
            np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(jnp.rot90(image, k), expected)


def test_turns_add_up():
    image = picture(6, 6, 3)
    for k in range(4):
        np.testing.assert_array_equal(turn(turn(image, k), 4 - k), image)


@pytest.mark.parametrize("c", [1, 3])
def test_rotate90_draws_the_four_turns_uniformly(c):
    image = picture(6, 6, c)
    images = draws(rotate90, image, 2000)
    expected = np.stack([reference.turn(image, k) for k in range(4)])
    same = (images[:, None] == expected).all((2, 3, 4))
    assert (same.sum(1) == 1).all()
    assert stats.chisquare(same.sum(0)).pvalue > 1e-3


def test_plain_jit_and_vmap_agree():
    images = jnp.stack([picture(7, 7, 3, seed) for seed in range(4)])
    keys = jax.random.split(jax.random.key(1), 4)
    plain = np.stack([rotate90(key, image) for key, image in zip(keys, images, strict=True)])
    jitted = quick_jit(rotate90)
    singly = np.stack([jitted(key, image) for key, image in zip(keys, images, strict=True)])
    np.testing.assert_array_equal(singly, plain)
    np.testing.assert_array_equal(quick_jit(jax.vmap(rotate90))(keys, images), plain)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="quarter turns need a square image, not 8 x 12 pixels"):
        rotate90(jax.random.key(0), picture(8, 12, 3))
