"""Corruptions: against scipy, Pillow and the references, at each strength."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from ssl_jax.augment.corruptions import CORRUPTIONS
from tests.augment import draws, picture, quick_jit
from tests.references import corruptions as reference

STRENGTHS = [1, 2, 3, 4, 5]
SHAPES = [(32, 32, 3), (28, 28, 1), (12, 17, 3)]
KEY = jax.random.key(0)


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_plain_jit_and_vmap_agree_and_keep_the_range(name, c):
    images = jnp.stack([picture(11, 14, c, seed) for seed in range(2)])
    keys = jax.random.split(jax.random.key(1), 2)
    for strength in (1, 5):
        f = partial(CORRUPTIONS[name], strength=strength)
        jitted = quick_jit(f)
        singly = np.stack([jitted(key, image) for key, image in zip(keys, images, strict=True)])
        assert singly.shape == images.shape
        assert singly.dtype == np.float32
        assert singly.min() >= 0
        assert singly.max() <= 1
        np.testing.assert_allclose(quick_jit(jax.vmap(f))(keys, images), singly, atol=1e-6)
        np.testing.assert_allclose(f(keys[0], images[0]), singly[0], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 3)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_tiny_images(name, shape):
    image = picture(6, 6, 3)[: shape[0], : shape[1], : shape[2]]
    for strength in (1, 5):
        corrupted = CORRUPTIONS[name](KEY, image, strength=strength)
        assert corrupted.shape == shape
        assert np.isfinite(corrupted).all()


def test_the_names():
    assert list(CORRUPTIONS) == ["noise", "blur", "contrast", "pixelation"]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grammar(name):
    key, image, strength = inspect.signature(CORRUPTIONS[name]).parameters.values()
    assert (key.name, image.name, strength.name) == ("key", "image", "strength")
    assert strength.kind is inspect.Parameter.KEYWORD_ONLY
    documentation = inspect.getdoc(CORRUPTIONS[name])
    for section in ("Args:", "Returns:", "References:"):
        assert section in documentation


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("strength", [0, 6, -1])
def test_other_strengths_are_refused(name, strength):
    with pytest.raises(ValueError, match=f"strength must be from 1 to 5, not {strength}"):
        CORRUPTIONS[name](KEY, picture(8, 8, 3), strength=strength)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_is_further_from_the_image(name):
    image = picture(32, 32, 3)
    distances = [
        float(jnp.square(CORRUPTIONS[name](KEY, image, strength=s) - image).mean())
        for s in STRENGTHS
    ]
    assert distances[0] > 0
    assert (np.diff(distances) > 0).all()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_noise_is_gaussian_and_independent(strength):
    image = jnp.full((20, 20, 3), 0.5)
    noise = draws(partial(CORRUPTIONS["noise"], strength=strength), image, 20) - 0.5
    scale = reference.noise_scale(strength)
    assert stats.kstest(noise.ravel(), stats.norm(0, scale).cdf).pvalue > 1e-3
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        assert stats.pearsonr(noise[..., a].ravel(), noise[..., b].ravel()).pvalue > 1e-3
    assert stats.pearsonr(noise[:, 1:].ravel(), noise[:, :-1].ravel()).pvalue > 1e-3


def test_noise_is_clipped():
    for value in (0.0, 1.0):
        image = jnp.full((20, 20, 1), value)
        noisy = CORRUPTIONS["noise"](KEY, image, strength=5)
        assert 0.4 < (noisy == value).mean() < 0.6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", ["blur", "contrast"])
def test_blur_and_contrast_agree_with_the_references(name, strength, shape):
    image = picture(*shape)
    actual = CORRUPTIONS[name](KEY, image, strength=strength)
    f = {"blur": reference.gaussian_blur, "contrast": reference.contrast}[name]
    np.testing.assert_allclose(actual, f(image, strength), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_pixelation_agrees_with_pillow(strength, shape):
    image = picture(*shape)
    actual = CORRUPTIONS["pixelation"](KEY, image, strength=strength)
    small = tuple(reference.small_side(side, strength) for side in (shape[1], shape[0]))
    box = Image.Resampling.BOX
    for c in range(shape[-1]):  # mode "F" is Pillow's float arithmetic
        pillow = Image.fromarray(np.asarray(image[..., c])).resize(small, box)
        pillow = np.asarray(pillow.resize((shape[1], shape[0]), box))
        np.testing.assert_allclose(actual[..., c], pillow, atol=2e-6)


def test_flat_images_only_change_by_noise():
    flat = jnp.full((9, 9, 3), 0.7)
    for name in ("blur", "contrast", "pixelation"):
        np.testing.assert_allclose(CORRUPTIONS[name](KEY, flat, strength=5), flat, atol=1e-6)
