"""Colorfulness: a reference with loops, and known pictures."""

import jax.numpy as jnp
import numpy as np

from ssl_jax.methods.common.colorfulness import colorfulness


def reference(picture):
    rg, yb = [], []
    for r, g, b in 255 * picture.reshape(-1, 3):
        rg.append(r - g)
        yb.append((r + g) / 2 - b)
    spread = np.sqrt(np.var(rg) + np.var(yb))
    return spread + 0.3 * np.sqrt(np.mean(rg) ** 2 + np.mean(yb) ** 2)


def test_colorfulness_is_that_of_the_paper():
    pictures = np.random.default_rng(0).uniform(size=(3, 5, 4, 3)) * [1, 0.5, 0.2]
    found = colorfulness(jnp.asarray(pictures, jnp.float32))
    np.testing.assert_allclose(found, [reference(x) for x in pictures], rtol=1e-5)


def test_gray_is_not_colorful_and_pure_colors_are():
    levels = jnp.linspace(0, 1, 16).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(colorfulness(jnp.tile(levels, 3)), 0, atol=1e-4)
    red = jnp.zeros((1, 4, 4, 3)).at[..., 0].set(1)
    np.testing.assert_allclose(colorfulness(red), 0.3 * np.hypot(255, 127.5), rtol=1e-6)
