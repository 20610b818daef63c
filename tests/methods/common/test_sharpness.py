"""Sharpness: against loops, in closed form, and of blurred pictures."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.augment.blur import blur
from ssl_jax.methods.common.sharpness import sharpness

RNG = np.random.default_rng(0)
PICTURES = jnp.asarray(RNG.uniform(size=(3, 7, 9, 2)), jnp.float32)
EVERYWHERE = np.ones((3, 7, 9, 1), bool)


def test_it_is_the_mean_length_of_the_differences_within_the_mask():
    where = RNG.uniform(size=(3, 7, 9, 1)) < 0.7
    where[2] = False
    for n, found in enumerate(jax.jit(sharpness)(PICTURES, where)):
        lengths = []
        picture, mask = np.asarray(PICTURES[n], np.float64), where[n, ..., 0]
        for y, x in np.ndindex(6, 8):
            if mask[y, x] and mask[y + 1, x] and mask[y, x + 1]:
                down, across = (
                    picture[y + 1, x] - picture[y, x],
                    picture[y, x + 1] - picture[y, x],
                )
                lengths += np.sqrt(down**2 + across**2).tolist()
        np.testing.assert_allclose(found, np.mean(lengths) if lengths else 0, rtol=1e-5)


def test_a_slope_has_its_own_length_and_a_flat_picture_none():
    y, x = np.indices((7, 9))
    slope = jnp.float32(0.03 * y + 0.04 * x)[None, ..., None]
    np.testing.assert_allclose(sharpness(slope, EVERYWHERE[:1]), 0.05, rtol=1e-4)
    np.testing.assert_array_equal(sharpness(jnp.full((1, 7, 9, 1), 0.5), EVERYWHERE[:1]), 0)


def test_blurred_pictures_are_less_sharp():
    blurred = jax.vmap(lambda x: blur(x, 1.0, kernel_size=5))(PICTURES)
    assert (2 * sharpness(blurred, EVERYWHERE) < sharpness(PICTURES, EVERYWHERE)).all()
