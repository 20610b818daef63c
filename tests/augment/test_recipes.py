"""Recipes: how often each operation acts, measured on images that reveal it."""

import colorsys
from functools import cache

import jax
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment import recipes
from tests.augment import draws, picture
from tests.references import augment as reference

FLAT = np.ones((8, 8, 3))  # only brightness and solarize change a uniform gray
TINTED = np.array([0.25, 0.2, 0.22]) * FLAT
LEVELS = np.where(picture(8, 8, 1) < 0.5, 0.1, 0.3) * FLAT
WHOLE = {"area": (1.0, 1.0)}  # on a small square image only the whole image fits
RECIPES = {
    "simclr": lambda **parameters: recipes.simclr(**parameters),
    "simclr, weak": lambda **parameters: recipes.simclr(strength=0.5, blur=0.0, **parameters),
    "byol, first": lambda **parameters: recipes.byol(**parameters)[0],
    "byol, second": lambda **parameters: recipes.byol(**parameters)[1],
    "multicrop, small": lambda size=8, area=(1.0, 1.0): recipes.multicrop(
        small_size=size or (12, 10), small_area=area
    )[2],
}


@cache
def outcomes(name):
    images = np.stack([0.3 * FLAT, 0.9 * FLAT, TINTED, LEVELS])
    drawn = draws(RECIPES[name](**WHOLE), images, 1000)
    return dict(zip(("dark", "light", "tinted", "levels"), drawn, strict=True))


def happens(observed, probability):
    """Whether the booleans occur with this probability; at 0 and 1, exactly."""
    if probability in (0.0, 1.0):
        return observed.mean() == probability
    return stats.binomtest(int(observed.sum()), observed.size, probability).pvalue > 1e-3


def test_simclr_flips_half_and_turns_a_fifth_gray():
    image = picture(8, 8, 3)
    images = draws(recipes.simclr(strength=0.0, blur=0.0, **WHOLE), image, 600)
    gray = reference.grayscale(image)
    expected = [image, image[:, ::-1], gray, gray[:, ::-1]]
    same = np.stack([abs(images - e).max((1, 2, 3)) < 1e-5 for e in expected], -1)
    assert (same.sum(-1) == 1).all()
    assert happens(same[:, 1] | same[:, 3], 0.5)
    assert happens(same[:, 2] | same[:, 3], 0.2)


STRENGTHS = [("simclr", 0.8, 0.2), ("simclr, weak", 0.4, 0.1)]
STRENGTHS += [("byol, first", 0.4, 0.1), ("byol, second", 0.4, 0.1)]
STRENGTHS += [("multicrop, small", 0.4, 0.1)]


@pytest.mark.parametrize(("name", "brightness", "hue"), STRENGTHS)
def test_four_fifths_are_jittered_and_a_fifth_is_gray(name, brightness, hue):
    ratios = outcomes(name)["dark"].mean((1, 2, 3)) / 0.3
    jittered = abs(ratios - 1) > 1e-5
    assert happens(jittered, 0.8)
    uniform = stats.uniform(1 - brightness, 2 * brightness)
    assert stats.kstest(ratios[jittered], uniform.cdf).pvalue > 1e-3

    pixels = outcomes(name)["tinted"].mean((1, 2)).astype(np.float64)
    gray = np.ptp(pixels, axis=-1) < 1e-5
    assert happens(gray, 0.2)
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in pixels[~gray]])
    shifts = (hues - colorsys.rgb_to_hsv(*TINTED[0, 0])[0] + 0.5) % 1 - 0.5
    shifts = shifts[abs(shifts) > 1e-4]
    assert stats.kstest(shifts, stats.uniform(-hue, 2 * hue).cdf).pvalue > 1e-3


def blurred(images):
    """Whether images of two gray levels have gained others; pixelwise operations keep two."""
    low, high = (e(images, axis=(1, 2, 3), keepdims=True) for e in (np.min, np.max))
    return (np.minimum(images - low, high - images) / (high - low)).max((1, 2, 3)) > 1e-3


def blur_is_visible():
    """Probability that σ, uniform in [0.1, 2], is large enough to be visible on LEVELS."""
    sigmas = np.linspace(0.1, 0.5, 401)
    images = np.stack([reference.blur(LEVELS, s, kernel_size=3) for s in sigmas])
    return (2.0 - sigmas[blurred(images)].min()) / 1.9


BLURS = [("simclr", 0.5), ("simclr, weak", 0.0), ("byol, first", 1.0), ("byol, second", 0.1)]
BLURS += [("multicrop, small", 0.5)]


@pytest.mark.parametrize(("name", "probability"), BLURS)
def test_blur_has_the_given_probability(name, probability):
    assert happens(blurred(outcomes(name)["levels"]), probability * blur_is_visible())


SOLARIZES = [("simclr, weak", 0.0), ("byol, first", 0.0), ("byol, second", 0.2)]
SOLARIZES += [("multicrop, small", 0.0)]


@pytest.mark.parametrize(("name", "probability"), SOLARIZES)
def test_only_byols_second_view_is_solarized(name, probability):
    """A brightness factor of at least 0.6 keeps 0.9 above one half."""
    assert happens(outcomes(name)["light"].mean((1, 2, 3)) < 0.5, probability)


def test_the_large_crops_of_multicrop_are_the_views_of_byol():
    image, key = picture(8, 8, 3), jax.random.key(5)
    large = recipes.multicrop(area=(0.4, 1.0), small_size=4)[:2]
    for ours, theirs in zip(large, recipes.byol(area=(0.4, 1.0)), strict=True):
        np.testing.assert_array_equal(ours(key, image), theirs(key, image))


def test_the_interpolation_reaches_every_crop(monkeypatch):
    asked = []

    def crop(key, image, *, size, area, interpolation):
        asked.append(interpolation)
        return image

    monkeypatch.setattr(recipes, "random_resized_crop", crop)
    views = recipes.multicrop(small_size=6, interpolation="bicubic")
    views += recipes.byol(interpolation="bicubic")
    views += (
        recipes.simclr(interpolation="bicubic"),
        recipes.crop_and_flip(interpolation="bicubic"),
    )
    for view in views:
        jax.eval_shape(view, jax.random.key(0), picture(8, 8, 3))
    assert asked == ["bicubic"] * 7


def test_small_crops_have_their_own_area():
    ramp = np.broadcast_to(np.linspace(0.3, 0.6, 64)[:, None, None], (64, 64, 1))
    small = recipes.multicrop(small_size=8, small_area=(0.04, 0.04))[2]
    spans = np.ptp(draws(small, ramp, 60), axis=(1, 2, 3))
    largest = 0.3 * 0.2 * 1.2 * 1.4 * 1.4  # a fifth of the side, aspect, brightness, contrast
    assert spans.max() < largest


def test_crop_and_flip_flips_half_and_changes_nothing_else():
    image = picture(8, 8, 3)
    images = draws(recipes.crop_and_flip(**WHOLE), image, 600)
    same = np.stack([abs(images - e).max((1, 2, 3)) < 1e-5 for e in (image, image[:, ::-1])], -1)
    assert (same.sum(-1) == 1).all()
    assert happens(same[:, 1], 0.5)


HALVES = np.repeat([0.1, 0.2], 4)[None, :, None] * FLAT


@cache
def sides(name):
    """Brightness at the left and right edge, where no blur reaches from the other half."""
    drawn = draws(RECIPES[name](**WHOLE), HALVES, 1000).astype(np.float64)
    return drawn[:, :, :2].mean((1, 2, 3)), drawn[:, :, -2:].mean((1, 2, 3))


@pytest.mark.parametrize("name", RECIPES)
def test_half_of_the_views_are_flipped(name):
    left, right = sides(name)
    assert happens(left > right, 0.5)


@pytest.mark.parametrize(("name", "contrast", "hue"), STRENGTHS)
def test_contrast_changes_as_much_as_brightness(name, contrast, hue):
    """Brightness scales the mean and the difference of two grays, contrast the difference only."""
    left, right = sides(name)
    factors = abs(right - left) / (right + left) * 3
    jittered = abs(factors - 1) > 1e-4
    assert happens(jittered, 0.8)
    uniform = stats.uniform(1 - contrast, 2 * contrast)
    assert stats.kstest(factors[jittered], uniform.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", RECIPES)
def test_size_reaches_the_crop_and_the_range_holds(name):
    for size, shape in [(None, (12, 10, 3)), (6, (6, 6, 3)), ((5, 7), (5, 7, 3))]:
        view = jax.eval_shape(RECIPES[name](size=size), jax.random.key(0), picture(12, 10, 3))
        assert view.shape == shape
        assert view.dtype == np.float32
    for images in outcomes(name).values():
        assert images.min() >= 0
        assert images.max() <= 1
