"""Images and helpers shared by the augmentation tests."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

# Compiles in a third of the time.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def picture(h, w, c, seed=0):
    """8-bit noise as float32 in [0, 1]; the first pixels are black, white, gray and primaries."""
    image = np.random.default_rng(seed).integers(0, 256, (h * w, c))
    first = [(0, 0, 0), (255, 255, 255), (90, 90, 90), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    image[: len(first)] = np.array(first)[:, :c]
    return jnp.asarray((image / 255).reshape(h, w, c), jnp.float32)


def draws(f, images, n):
    """Apply `f` with `n` keys to one image or to each of m images.

    The result is [n, h, w, c] or [m, n, h, w, c].
    """
    images = jnp.asarray(images, jnp.float32)
    over_keys = jax.vmap(f, (0, None))
    over_images = jax.vmap(over_keys, (None, 0)) if images.ndim == 4 else over_keys
    return np.asarray(quick_jit(over_images)(jax.random.split(jax.random.key(0), n), images))
