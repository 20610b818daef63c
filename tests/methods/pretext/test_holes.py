"""Holes: which pixels are hidden, filled and compared."""

import jax
import numpy as np
import pytest

from ssl_jax.methods.pretext import holes

KINDS = {"middle": holes.middle(12, 1), "random": holes.random(12)}


def images(n, side, c=3):
    return jax.numpy.asarray(np.random.default_rng(0).uniform(size=(n, side, side, c)), "float32")


def test_the_middle_is_half_as_wide_as_the_image_without_the_overlap():
    mask = np.asarray(KINDS["middle"].draw(jax.random.key(0), 2))
    expected = np.zeros((12, 12), bool)
    expected[4:8, 4:8] = True
    np.testing.assert_array_equal(mask, np.stack([expected] * 2)[..., None])
    assert KINDS["middle"].painted == (slice(3, 9), slice(3, 9))


@pytest.mark.parametrize("side", [8, 12, 28])
def test_random_holes_hide_a_quarter_in_a_few_pieces(side):
    kind = holes.random(side)
    mask = np.asarray(jax.jit(kind.draw, static_argnums=1)(jax.random.key(0), 50))[..., 0]
    assert kind.painted == (slice(0, side),) * 2
    np.testing.assert_array_equal(mask.sum((1, 2)), round(side**2 / 4))
    assert len({m.tobytes() for m in mask}) == 50
    again, other = (np.asarray(kind.draw(jax.random.key(k), 50))[..., 0] for k in (0, 1))
    np.testing.assert_array_equal(again, mask)
    assert not np.array_equal(other, mask)
    hidden = mask.mean(0)  # the same everywhere, up to chance
    assert hidden.min() > 0
    assert hidden.max() < 0.6
    edges = (mask[:, 1:] != mask[:, :-1]).mean()  # of independent pixels: 2 / 4 * 3 / 4
    assert edges < (0.4 if side == 8 else 0.3 if side == 12 else 0.15)


@pytest.mark.parametrize("name", KINDS)
def test_filled_and_compared_pixels_are_the_hidden_ones(name):
    kind, pictures = KINDS[name], images(4, 12)
    mask = np.asarray(kind.draw(jax.random.key(3), 4))
    filled = np.asarray(kind.fill(pictures, mask, (0.1, 0.2, 0.3)))
    compared = np.asarray(kind.hidden(pictures, mask))
    for picture, m, new, found in zip(np.asarray(pictures), mask, filled, compared, strict=True):
        hidden = []
        for y, x in np.ndindex(12, 12):
            expected = np.float32((0.1, 0.2, 0.3)) if m[y, x] else picture[y, x]
            np.testing.assert_array_equal(new[y, x], expected)
            if m[y, x]:
                hidden.append(picture[y, x])
        np.testing.assert_array_equal(found.reshape(-1, 3), hidden)


def test_of_a_painting_the_same_pixels_are_compared():
    """The middle's painting is smaller than the image."""
    for kind in KINDS.values():
        pictures = images(4, 12)
        mask = kind.draw(jax.random.key(3), 4)
        painting = pictures[:, *kind.painted]
        np.testing.assert_array_equal(kind.hidden(painting, mask), kind.hidden(pictures, mask))
