"""Quarter turns: against the reference, and how often each is drawn. Eighths: against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from ssl_jax.augment.turns import eighth_turn, rotate90, turn
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


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (9, 9, 3)])
def test_eighth_turns_agree_with_scipy(shape):
    image = picture(9, 9, 3)[: shape[0], : shape[1], : shape[2]]
    center = np.full(2, (shape[0] - 1) / 2)
    for k in range(-1, 9):
        angle = k * np.pi / 4
        rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = rotation / np.sqrt(2)
        planes = [
            ndimage.affine_transform(
                plane, matrix, center - matrix @ center, order=1, mode="nearest"
            )
            for plane in np.moveaxis(np.asarray(image, np.float64), -1, 0)
        ]
        for actual in (eighth_turn(image, k), quick_jit(lambda x, k=k: eighth_turn(x, k))(image)):
            assert actual.dtype == jnp.float32
            np.testing.assert_allclose(actual, np.stack(planes, -1), atol=1e-5)


def test_eighth_turns_of_a_slope_are_exact():
    """Bilinear interpolation is exact on planes, and no point lies beyond the border."""
    size, slope = 10, np.array([0.03, -0.02])
    y, x = np.indices((size, size)) - (size - 1) / 2
    image = jnp.float32(0.5 + slope[0] * y + slope[1] * x)[..., None]
    for k in range(8):
        sine, cosine = np.sin(k * np.pi / 4), np.cos(k * np.pi / 4)
        rows, columns = (sine * x + cosine * y) / 2**0.5, (cosine * x - sine * y) / 2**0.5
        expected = 0.5 + slope[0] * rows + slope[1] * columns
        np.testing.assert_allclose(eighth_turn(image, k)[..., 0], expected, atol=1e-6)


def test_eighth_turns_two_apart_only_move_pixels():
    image = picture(8, 8, 3)
    for k in range(8):
        np.testing.assert_array_equal(turn(eighth_turn(image, k), 1), eighth_turn(image, k + 2))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="eighths of a turn need a square image, not 8 x 12 pix"):
        eighth_turn(picture(8, 12, 3), 1)
    with pytest.raises(ValueError, match="quarter turns need a square image, not 8 x 12 pixels"):
        rotate90(jax.random.key(0), picture(8, 12, 3))
