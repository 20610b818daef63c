"""Images of a wrong type or range are refused in words; nothing turns them into one flat color."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import augment
from ssl_jax.augment import geometry, operations
from ssl_jax.augment.checks import on_pixels

RANDOM = {
    name: f
    for name, f in vars(augment).items()
    if callable(f) and "image" in inspect.signature(f).parameters
} | {
    "simclr": augment.recipes.simclr(size=8),
    "byol": augment.recipes.byol()[1],
    "crop_and_flip": augment.recipes.crop_and_flip(),
    "composed": augment.compose(augment.horizontal_flip),
}
FIXED = {name: getattr(operations, name) for name in ("auto_contrast", "equalize")}
FIXED |= {"center_crop": partial(geometry.center_crop, size=4)}
BYTES = np.arange(64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, -1)


def test_the_table_covers_what_the_package_exports():
    assert {"random_resized_crop", "random_square", "color_jitter", "randaugment"} <= RANDOM.keys()


@pytest.mark.parametrize("name", RANDOM)
def test_bytes_are_refused_even_when_traced(name):
    keys = jax.random.split(jax.random.key(0), 2)
    for images in (jnp.stack([BYTES] * 2), jnp.stack([BYTES] * 2) > 9):
        with pytest.raises(
            TypeError, match=r"^image: (uint8|bool); expected floating-point pixels"
        ):
            jax.jit(jax.vmap(RANDOM[name]))(keys, images)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("scale", [255.0, -1.0, np.nan])
def test_values_out_of_range_are_refused_where_they_are_known(name, scale):
    image = jnp.linspace(0, 1, 192).reshape(8, 8, 3) * scale
    with pytest.raises(
        ValueError, match=r"^image: values from .* to .*; expected pixels from 0 to 1"
    ):
        RANDOM[name](jax.random.key(0), image)


@pytest.mark.parametrize("name", FIXED)
def test_functions_without_a_key_check_too(name):
    with pytest.raises(TypeError, match=r"^image: uint8"):
        FIXED[name](jnp.asarray(BYTES))
    with pytest.raises(ValueError, match=r"^image: values from 0 to 63"):
        FIXED[name](image=jnp.asarray(BYTES, jnp.float32))


def test_rounding_and_half_precision_are_accepted():
    same = on_pixels(lambda image: image)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        assert same(jnp.array([1.0004, -0.0004], dtype)).dtype == dtype
    assert same(jnp.zeros((0, 4, 3))).shape == (0, 4, 3)
