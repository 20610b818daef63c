"""Color: against Pillow, colorsys, the references and the distributions of the draws."""

import colorsys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from ssl_jax import augment
from ssl_jax.augment import color
from tests.augment import draws, picture
from tests.references import augment as reference

ADJUST = ["adjust_brightness", "adjust_contrast", "adjust_saturation"]
PILLOW = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
FACTORS = [0.0, 0.3, 1.0, 1.8]
SHAPES = [(9, 7, 1), (9, 7, 3)]
PARAMETERS = ["brightness", "contrast", "saturation", "hue"]
OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "probability": 1.0}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "pillow"), list(zip(ADJUST, PILLOW, strict=True)))
def test_adjusting_by_a_factor(name, pillow, shape):
    image = picture(*shape)
    adjust = jax.jit(getattr(color, name))
    for factor in FACTORS:
        actual = adjust(image, factor)
        assert actual.dtype == jnp.float32
        expected = getattr(reference, name)(image, factor)
        np.testing.assert_allclose(actual, expected, atol=1e-6)
        image_8bit = np.uint8(np.round(image * 255))
        enhanced = pillow(Image.fromarray(np.squeeze(image_8bit))).enhance(factor)
        enhanced = np.asarray(enhanced).reshape(shape) / 255
        np.testing.assert_allclose(actual, enhanced, atol=1.5 / 255)


@pytest.mark.parametrize("shape", SHAPES)
def test_adjusting_hue(shape):
    image = picture(*shape)
    adjust = jax.jit(color.adjust_hue)
    for shift in (-0.5, -0.37, -1 / 6, 0.0, 0.1, 1 / 3, 0.5):
        actual = adjust(image, shift)
        assert actual.dtype == jnp.float32
        np.testing.assert_allclose(actual, reference.adjust_hue(image, shift), atol=2e-6)


def test_hue_rotates_red_to_green_and_to_blue():
    red, green, blue = jnp.eye(3, dtype=jnp.float32)[:, None, None]
    np.testing.assert_allclose(color.adjust_hue(red, 1 / 3), green, atol=1e-6)
    np.testing.assert_allclose(color.adjust_hue(red, -1 / 3), blue, atol=1e-6)


def test_saturation_hue_and_grayscale_leave_gray_images_unchanged():
    image = picture(9, 7, 1)
    np.testing.assert_array_equal(color.adjust_saturation(image, 0.2), image)
    np.testing.assert_array_equal(color.adjust_hue(image, 0.2), image)
    key = jax.random.key(0)
    np.testing.assert_array_equal(augment.grayscale(key, image, probability=1.0), image)


def test_grayscale_is_luma():
    image = picture(9, 7, 3)
    actual = augment.grayscale(jax.random.key(0), image, probability=1.0)
    np.testing.assert_allclose(actual, reference.grayscale(image), atol=1e-6)
    pillow = Image.fromarray(np.uint8(np.round(image * 255))).convert("L")
    np.testing.assert_allclose(actual[..., 0], np.asarray(pillow) / 255, atol=0.51 / 255)


@pytest.mark.parametrize("shape", SHAPES)
def test_solarize_inverts_bright_pixels(shape):
    image = picture(*shape)
    key = jax.random.key(0)
    for threshold in (0.0, 0.3, 0.5, 1.0):
        actual = augment.solarize(key, image, threshold=threshold, probability=1.0)
        np.testing.assert_allclose(actual, reference.solarize(image, threshold), atol=1e-7)
    image_8bit = np.uint8(np.round(image * 255))
    pillow = ImageOps.solarize(Image.fromarray(np.squeeze(image_8bit)), 128)
    actual = augment.solarize(key, image, probability=1.0)
    np.testing.assert_allclose(actual, np.asarray(pillow).reshape(shape) / 255, atol=1e-6)
    quarter = jnp.full((1, 1, 1), 0.25)  # a pixel at the threshold is inverted
    actual = augment.solarize(key, quarter, threshold=0.25, probability=1.0)
    np.testing.assert_array_equal(actual, 0.75)


def _brightness(images):
    return images[:, 0, 0, 0] / 0.3


def _contrast(images):
    return (images[:, 0, 1, 0] - images[:, 0, 0, 0]) / 0.2


def _saturation(images):
    return (images[:, 0, 0, 0] - images[:, 0, 0, 1]) / 0.2


def _hue(images):
    hue = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in images[:, 0, 0].tolist()])
    return (hue - colorsys.rgb_to_hsv(0.5, 0.3, 0.35)[0] + 0.5) % 1 - 0.5


@pytest.mark.parametrize(
    ("name", "strength", "row", "measure", "bounds"),
    [
        ("brightness", 0.8, [(0.3,) * 3], _brightness, (0.2, 1.8)),
        ("contrast", 1.5, [(0.4,) * 3, (0.6,) * 3], _contrast, (0.0, 2.5)),
        ("saturation", 0.4, [(0.5, 0.3, 0.35)], _saturation, (0.6, 1.4)),
        ("hue", 0.2, [(0.5, 0.3, 0.35)], _hue, (-0.2, 0.2)),
    ],
)
def test_color_jitter_draws_uniformly(name, strength, row, measure, bounds):
    f = partial(augment.color_jitter, **{**OFF, name: strength})
    drawn = measure(draws(f, np.array([row]), 1000).astype(np.float64))
    low, high = bounds
    assert drawn.min() >= low - 1e-5
    assert drawn.max() <= high + 1e-5
    assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_color_jitter_draws_its_four_parameters_independently():
    """While nothing clips, two pixels' sum gives the brightness and their ratio the contrast."""
    f = partial(augment.color_jitter, **{**OFF, "brightness": 0.5, "contrast": 0.5})
    image = np.array([[(0.25,) * 3, (0.35,) * 3]])
    dark, bright = draws(f, image, 1000)[:, 0, :, 0].T
    brightness, contrast = (dark + bright) / 0.6, (bright - dark) / (bright + dark) * 6
    assert stats.kstest(brightness, stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    assert stats.kstest(contrast, stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    assert stats.spearmanr(brightness, contrast).pvalue > 1e-3


STRENGTHS = dict(zip(PARAMETERS, (0.8, 0.7, 0.6, 0.2), strict=True))


def test_color_jitter_draws_its_orders_uniformly():
    keys = jax.random.split(jax.random.key(0), 2400)
    orders, amounts = jax.vmap(lambda key: color._draw(key, STRENGTHS, 1.0))(keys)
    counts = np.bincount(orders, minlength=24)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert len(counts) == len(set(color._ORDERS)) == 24
    for name in PARAMETERS:
        assert stats.kruskal(*(amounts[name][orders == i] for i in range(24))).pvalue > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "active", [PARAMETERS, PARAMETERS[:3], ["contrast", "hue"], ["hue"], ["brightness"], []]
)
def test_color_jitter_adjusts_in_the_drawn_order(active, channels):
    """Compares with the references, applied one after another, in each of the 24 orders."""
    strengths = {name: STRENGTHS[name] if name in active else 0.0 for name in PARAMETERS}
    f = partial(augment.color_jitter, probability=1.0, **strengths)
    image = picture(5, 4, channels)
    keys = jax.random.split(jax.random.key(1), 120)
    jittered = jax.jit(jax.vmap(f, (0, None)))(keys, image)
    drawn = set()
    for key, actual in zip(keys, jittered, strict=True):
        order, amounts = color._draw(key, strengths, 1.0)
        expected = np.asarray(image)
        for name in color._ORDERS[order]:
            if name in active and (channels == 3 or name != "hue"):
                adjust = getattr(reference, f"adjust_{name}")
                expected = adjust(expected, float(amounts[name]))
        np.testing.assert_allclose(actual, expected, atol=5e-6)
        drawn.add(int(order))
    assert len(drawn) == 24
