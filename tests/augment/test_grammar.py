"""What all augmentations have in common: signature, batching, range and use of the key."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import augment
from tests.augment import draws, picture, quick_jit

CASES = [
    ("random_resized_crop", {}),
    ("random_resized_crop", {"size": (5, 20), "area": (0.2, 0.5), "aspect": (0.5, 2.0)}),
    ("random_square", {"size": 6}),
    ("random_crop", {}),
    ("random_crop", {"padding": 2}),
    ("horizontal_flip", {}),
    ("color_jitter", {}),
    ("color_jitter", {"brightness": 1.5, "hue": 0.5, "probability": 1.0}),
    ("grayscale", {}),
    ("grayscale", {"probability": 1.0}),
    ("gaussian_blur", {}),
    ("gaussian_blur", {"sigma": (1.0, 3.0), "kernel_size": 5, "probability": 1.0}),
    ("solarize", {}),
    ("solarize", {"threshold": 0.3, "probability": 1.0}),
    ("randaugment", {}),
    ("randaugment", {"layers": 1, "magnitude": 4.0}),
    ("random_erasing", {}),
    ("random_erasing", {"value": 0.5, "probability": 1.0}),
    ("rotate90", {}),
    ("drop_colors", {}),
]
SQUARE = {"rotate90"}  # functions that take only square images
BATCH = {"mixup", "cutmix"}  # functions of a batch and its targets
SOMETIMES = {  # functions with a probability, and parameters that make their effect visible
    "horizontal_flip": {},
    "color_jitter": {},
    "grayscale": {},
    "gaussian_blur": {"sigma": (1.0, 2.0)},
    "solarize": {},
    "random_erasing": {},
}
PUBLIC = {
    name: f
    for name, f in vars(augment).items()
    if not name.startswith("_") and callable(f) and name not in {"compose", *BATCH}
}


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_plain_jit_and_vmap_agree(name, parameters, c):
    f = partial(getattr(augment, name), **parameters)
    w = 11 if name in SQUARE else 14
    images = jnp.stack([picture(11, w, c, seed) for seed in range(2)])
    keys = jax.random.split(jax.random.key(1), 2)
    jitted = quick_jit(f)
    singly = np.stack([jitted(key, image) for key, image in zip(keys, images, strict=True)])
    size = parameters.get("size", (11, w))
    assert singly.shape == (2, *((size, size) if isinstance(size, int) else size), c)
    assert singly.dtype == np.float32
    assert singly.min() >= 0
    assert singly.max() <= 1
    np.testing.assert_allclose(quick_jit(jax.vmap(f))(keys, images), singly, atol=1e-5)
    if c == 3 and not parameters:  # without jit it is slow
        np.testing.assert_allclose(f(keys[0], images[0]), singly[0], atol=1e-5)


@pytest.mark.parametrize(
    "name", sorted({name for name, _ in CASES} - {"solarize", "grayscale", "random_square"})
)
def test_the_key_determines_the_result(name):
    f = partial(getattr(augment, name), **SOMETIMES.get(name, {}))
    first, again = draws(f, jnp.stack([picture(6, 6, 3)] * 2), 20)
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) > 1


@pytest.mark.parametrize("name", SOMETIMES)
def test_probability(name):
    f = partial(getattr(augment, name), **SOMETIMES[name])
    image = picture(6, 7, 3)
    never, always = (draws(partial(f, probability=p), image, 100) for p in (0.0, 1.0))
    np.testing.assert_array_equal(never, np.stack([image] * 100))
    assert (always != image).any((1, 2, 3)).all()


@pytest.mark.parametrize("name", PUBLIC)
def test_grammar(name):
    f = PUBLIC[name]
    key, image, *rest = inspect.signature(f).parameters.values()
    assert (key.name, image.name) == ("key", "image")
    for parameter in rest:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter
        assert parameter.default is not inspect.Parameter.empty, parameter
    documentation = inspect.getdoc(f)
    for section in ("Returns:", "References:"):
        assert section in documentation


@pytest.mark.parametrize("name", ["simclr", "byol"])
def test_grammar_of_recipes(name):
    f = getattr(augment.recipes, name)
    for parameter in inspect.signature(f).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter
        assert parameter.default is not inspect.Parameter.empty, parameter
    documentation = inspect.getdoc(f)
    for section in ("Returns:", "References:"):
        assert section in documentation


def test_the_tables_are_complete():
    expected = {"random_resized_crop", "random_square", "random_crop", "horizontal_flip"}
    expected |= {"color_jitter"}
    expected |= {"grayscale", "gaussian_blur", "solarize"}
    expected |= {"randaugment", "random_erasing", "rotate90", "drop_colors"}
    assert expected <= set(PUBLIC)
    assert set(PUBLIC) == {name for name, _ in CASES}
    sometimes = {n for n, f in PUBLIC.items() if "probability" in inspect.signature(f).parameters}
    assert sometimes == set(SOMETIMES)


def test_defaults_are_the_published_ones():
    expected = {
        "random_resized_crop": {
            "size": None,
            "area": (0.08, 1.0),
            "aspect": (3 / 4, 4 / 3),
            "interpolation": "bilinear",
            "picture_aspect": None,
        },
        "random_square": {"size": None, "interpolation": "bilinear", "picture_aspect": None},
        "random_crop": {"padding": 4},
        "horizontal_flip": {"probability": 0.5},
        "color_jitter": {
            "brightness": 0.8,
            "contrast": 0.8,
            "saturation": 0.8,
            "hue": 0.2,
            "probability": 0.8,
        },
        "grayscale": {"probability": 0.2},
        "gaussian_blur": {"sigma": (0.1, 2.0), "kernel_size": None, "probability": 0.5},
        "solarize": {"threshold": 0.5, "probability": 0.2},
        "randaugment": {"layers": 2, "magnitude": 9.0},
        "random_erasing": {
            "probability": 0.25,
            "area": (0.02, 1 / 3),
            "aspect": (0.3, 1 / 0.3),
            "value": None,
        },
        "rotate90": {},
        "drop_colors": {},
    }
    for name, defaults in expected.items():
        _, _, *rest = inspect.signature(PUBLIC[name]).parameters.values()
        assert {p.name: p.default for p in rest} == defaults
