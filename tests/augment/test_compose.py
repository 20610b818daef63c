"""Composition: one key per position."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax import augment


def noise(key, image):
    return jnp.concatenate([image, jax.random.uniform(key, (1, 1, 1))])


def test_every_position_gets_its_own_key():
    key = jax.random.key(7)
    image = jnp.zeros((0, 1, 1))
    drawn = augment.compose(noise, noise, noise)(key, image)[:, 0, 0]
    assert len(set(drawn.tolist())) == 3
    expected = [jax.random.uniform(jax.random.fold_in(key, i)) for i in range(3)]
    np.testing.assert_array_equal(drawn, jnp.stack(expected))


def test_appending_a_function_does_not_change_the_draws_of_the_others():
    key = jax.random.key(7)
    image = jnp.zeros((0, 1, 1))
    short = augment.compose(noise, noise)(key, image)
    long = augment.compose(noise, noise, noise)(key, image)
    np.testing.assert_array_equal(long[:2], short)


def test_functions_run_from_left_to_right():
    f = augment.compose(lambda _, image: image + 1, lambda _, image: image * 2)
    assert f(jax.random.key(0), jnp.ones((1, 1, 1))) == 4
    image = jnp.ones((2, 2, 1))
    np.testing.assert_array_equal(augment.compose()(jax.random.key(0), image), image)
