"""Losses and augmentations run where JAX may not promote ranks and types by itself."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, AxisType

from ssl_jax import augment, losses
from ssl_jax.augment import (
    aberration,
    blur,
    color,
    corruptions,
    geometry,
    lab,
    operations,
    patches,
    pixels,
    tiles,
    turns,
)
from tests.augment.test_grammar import CASES as AUGMENTATIONS
from tests.augment.test_grammar import SQUARE
from tests.losses import test_devices as on_devices
from tests.losses.checks import shaped, weigh
from tests.losses.test_composable import CASES as LOSSES
from tests.losses.test_composable import IN_BLOCKS, MASK, TOKENS, D, K, N, T, scalar, z

KEY = jax.random.key(0)
GRID = tiles.Grid(tile=2, gap=2, jitter=1)

FURTHER_LOSSES = {  # with options that have no case
    "masked_mse": (
        z(2, N, T, D),
        lambda z: losses.masked_mse(*z, MASK, normalize_targets=True),
    ),
    "colorization": (
        z(2, N, T, T, K),
        lambda z: losses.colorization(z[0], z[1], bin_weights=z[0, 0, 0, 0]),
    ),
    "causal_lm": (z(N, T, K), lambda z: losses.causal_lm(z, TOKENS, mask=MASK)),
    "update_center": (
        z(2, N, K),
        lambda z: losses.update_center(z[0, 0], z).astype(jnp.float32),
    ),
}
FUNCTIONS = {  # of an image, that ``augment`` does not export
    aberration: {
        "project_colors": partial(aberration.project_colors, KEY),
        "jitter_channels": partial(aberration.jitter_channels, KEY),
    },
    blur: {"blur": lambda x: blur.blur(x, 0.8, kernel_size=5)},
    color: {
        "adjust_brightness": lambda x: color.adjust_brightness(x, 1.5),
        "adjust_contrast": lambda x: color.adjust_contrast(x, 1.5),
        "adjust_saturation": lambda x: color.adjust_saturation(x, 1.5),
        "adjust_hue": lambda x: color.adjust_hue(x, 0.2),
    },
    corruptions: {
        f.__name__: partial(f, KEY, strength=3) for f in corruptions.CORRUPTIONS.values()
    },
    geometry: {
        "crop_and_resize": lambda x: geometry.crop_and_resize(x, 1, 2, 7, 8, size=5),
        "center_crop": lambda x: geometry.center_crop(x, share=0.8, picture_aspect=x.mean()),
    },
    lab: {
        "rgb_to_lab": lambda x: lab.rgb_to_lab(x.repeat(3, -1)[..., :3]),
        "lab_to_rgb": lambda x: lab.lab_to_rgb(x.repeat(3, -1)[..., :3]),
    },
    operations: {
        "auto_contrast": operations.auto_contrast,
        "equalize": operations.equalize,
        "posterize": lambda x: operations.posterize(x, 3),
        "solarize": lambda x: operations.solarize(x, 0.4),
        "adjust_sharpness": lambda x: operations.adjust_sharpness(x, 1.5),
        "rotate": lambda x: operations.rotate(x, 20.0),
        "shear_x": lambda x: operations.shear_x(x, 0.2),
        "shear_y": lambda x: operations.shear_y(x, 0.2),
        "translate_x": lambda x: operations.translate_x(x, 2.0),
        "translate_y": lambda x: operations.translate_y(x, x.mean()),
        "warp": lambda x: operations.warp(x, x[:2, :3, 0]),
        "rotation": lambda x: operations.rotation(5, 6, x.mean()),
        "shear": lambda x: operations.shear(x.mean(), 0.2),
        "translation": lambda x: operations.translation(1.0, x.mean()),
    },
    patches: {
        "shuffle_patches": lambda x: patches.shuffle_patches(KEY, x, grid=2),
        "paste_patch": lambda x: patches.paste_patch(KEY, x, x[::-1], size=3),
    },
    pixels: {
        "to_float": lambda x: pixels.to_float(x.astype(jnp.uint8)),
        "normalize": lambda x: pixels.normalize(x, [0.5] * x.shape[-1], [0.3] * x.shape[-1]),
        "denormalize": lambda x: pixels.denormalize(x, [0.5] * x.shape[-1], [0.3] * x.shape[-1]),
        "standardize": pixels.standardize,
    },
    tiles: {"Grid": lambda x: GRID.cut(x, GRID.corners(KEY, x))},
    turns: {
        "turn": lambda x: turns.turn(x, 3),
        "eighth_turn": lambda x: turns.eighth_turn(x, 3),
    },
}


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def trace(f, *inputs):
    jax.eval_shape(jax.value_and_grad(f), *inputs)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, dtype):
    inputs = shaped(jax.eval_shape(LOSSES[name][0], KEY).shape, dtype)
    trace(scalar(name), inputs)
    if name in IN_BLOCKS:
        trace(scalar(name, block_size=2), inputs)
    if name in FURTHER_LOSSES:
        draw, f = FURTHER_LOSSES[name]
        trace(lambda z: weigh(f(z)), shaped(jax.eval_shape(draw, KEY).shape, dtype))


@pytest.mark.parametrize(("case", "options"), on_devices.WHOLE + on_devices.IN_BLOCKS)
def test_losses_on_devices(case, options):
    mesh = AbstractMesh((on_devices.DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    (_, numbers), inputs = on_devices.prepare(case)

    def local(numbers, inputs):
        values = case.function(*inputs, **numbers, axis_name="data", **options)
        return jax.lax.pmean(values.mean(), "data")

    specs = {
        "in_specs": (on_devices.EVERYWHERE, on_devices.ROWS),
        "out_specs": on_devices.EVERYWHERE,
    }
    mean = jax.shard_map(local, mesh=mesh, **specs)
    jax.eval_shape(jax.value_and_grad(mean, (0, 1), allow_int=True), numbers, inputs)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "parameters"), AUGMENTATIONS)
def test_augmentations(name, parameters, channels):
    images = shaped((2, 11, 11 if name in SQUARE else 14, channels))
    keys = jax.eval_shape(partial(jax.random.split, num=2), KEY)
    jax.eval_shape(jax.vmap(partial(getattr(augment, name), **parameters)), keys, images)


@pytest.mark.parametrize("name", ["random_resized_crop", "random_square"])
def test_crops_of_squeezed_pictures(name):
    def crop(key, image, aspect):
        return getattr(augment, name)(key, image, picture_aspect=aspect)

    jax.eval_shape(crop, KEY, shaped((11, 14, 3)), shaped(()))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing(name):
    jax.eval_shape(getattr(augment, name), KEY, shaped((4, 11, 14, 3)), shaped((4, 5)))


@pytest.mark.parametrize("channels", [1, 3])
def test_recipes(channels):
    recipes = [
        augment.recipes.simclr(size=8),
        *augment.recipes.multicrop(small_size=6, interpolation="bicubic"),
        augment.recipes.crop_and_flip(),
    ]
    for recipe in recipes:
        jax.eval_shape(recipe, KEY, shaped((20, 20, channels)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("module", FUNCTIONS, ids=lambda x: x.__name__.split(".")[-1])
def test_further_functions(module, channels):
    for f in FUNCTIONS[module].values():
        jax.eval_shape(f, shaped((12, 12, channels)))


@pytest.mark.parametrize("module", FUNCTIONS, ids=lambda x: x.__name__.split(".")[-1])
def test_every_function_has_a_case(module):
    public = {
        name
        for name, f in vars(module).items()
        if getattr(f, "__module__", "") == module.__name__ and not name.startswith("_")
        if f is not getattr(augment, name, None) and callable(f)
    }
    assert public == set(FUNCTIONS[module])
