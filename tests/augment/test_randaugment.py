"""RandAugment: its operations against Pillow and the references, and what it draws."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from ssl_jax.augment import color, operations
from ssl_jax.augment.randaugment import OPERATIONS, _apply, _draw, randaugment
from tests.augment import draws, picture, quick_jit
from tests.references import randaugment as reference

SHAPES = [(21, 19, 1), (34, 31, 3)]  # equalize needs 256 pixels, and rounds from 511 on
AFFINE = OPERATIONS[9:]
FACTORS = [0.1, 0.7, 1.0, 1.9]


def shifted(x0=1, xy=0, x=0, yx=0, y=0):
    """Pillow's affine map to ``(x0 x + xy y + x, yx x + y + y)``, with gray outside."""
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (x0, xy, x, yx, 1, y), fillcolor=gray(image)
    )


def gray(image):
    return 128 if image.mode == "L" else (128, 128, 128)


def enhanced(enhancer):
    return lambda image, factor: enhancer(image).enhance(factor)


# f, the same with Pillow, amounts, levels that may differ. Pillow rounds or truncates the result;
# color, contrast and sharpness also blend with something that it has rounded, extrapolating by 0.9.
CASES = {
    "auto_contrast": (operations.auto_contrast, ImageOps.autocontrast, [], 1),
    "equalize": (operations.equalize, ImageOps.equalize, [], 0),
    "solarize": (
        lambda x, level: operations.solarize(x, (level - 0.5) / 255),
        lambda x, level: ImageOps.solarize(x, int(level)),
        [0, 77, 128, 230, 256],
        0,
    ),
    "posterize": (
        operations.posterize,
        lambda x, bits: ImageOps.posterize(x, int(bits)),
        [1, 2, 3, 4, 8],
        0,
    ),
    "color": (color.adjust_saturation, enhanced(ImageEnhance.Color), FACTORS, 1.5),
    "contrast": (color.adjust_contrast, enhanced(ImageEnhance.Contrast), FACTORS, 1.5),
    "brightness": (color.adjust_brightness, enhanced(ImageEnhance.Brightness), FACTORS, 1),
    "sharpness": (operations.adjust_sharpness, enhanced(ImageEnhance.Sharpness), FACTORS, 1.5),
    "rotate": (
        operations.rotate,
        lambda x, degrees: x.rotate(float(degrees), fillcolor=gray(x)),
        [-27, -11, 0, 3.3, 30, 180],
        0,
    ),
    "shear_x": (
        operations.shear_x,
        lambda x, slope: shifted(xy=float(slope))(x),
        [-0.3, -0.11, 0, 0.27],
        0,
    ),
    "shear_y": (
        operations.shear_y,
        lambda x, slope: shifted(yx=float(slope))(x),
        [-0.3, -0.11, 0, 0.27],
        0,
    ),
    "translate_x": (
        operations.translate_x,
        lambda x, pixels: shifted(x=float(pixels))(x),
        [-40, -3.2, 0, 1, 7.7],
        0,
    ),
    "translate_y": (
        operations.translate_y,
        lambda x, pixels: shifted(y=float(pixels))(x),
        [-40, -3.2, 0, 1, 7.7],
        0,
    ),
}


def test_every_operation_has_a_case():
    assert {"identity", *CASES} == set(OPERATIONS)
    assert len(OPERATIONS) == len(set(OPERATIONS)) == 14


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CASES)
def test_operations_agree_with_pillow(name, shape):
    f, pillow, amounts, levels = CASES[name]
    image = picture(*shape) * 0.7 + 0.2  # neither black nor white, for auto_contrast
    image_8bit = np.uint8(np.round(image * 255))
    image = jnp.float32(image_8bit / 255)
    jitted = quick_jit(f)
    for amount in [(np.float32(a),) for a in amounts] or [()]:
        actual = jitted(image, *amount)
        assert actual.dtype == jnp.float32
        expected = np.asarray(pillow(Image.fromarray(np.squeeze(image_8bit)), *amount))
        difference = abs(255 * np.asarray(actual) - expected.reshape(shape)).max(-1)
        # Pillow's coordinates have 16 binary places, so close to a border it may take the other
        # pixel.
        share = 0.01 if name in AFFINE else 0
        assert np.mean(difference > levels + 1e-3) <= share, amount


@pytest.mark.parametrize("name", CASES)
def test_plain_jit_and_vmap_agree(name):
    f, _, amounts, _ = CASES[name]
    images = jnp.stack([picture(18, 27, 3, seed) for seed in range(2)])
    arguments = (images, jnp.float32(amounts[-2:])) if amounts else (images,)
    plain = np.stack([f(*(x[i] for x in arguments)) for i in range(2)])
    jitted = quick_jit(f)
    for other in (
        np.stack([jitted(*(x[i] for x in arguments)) for i in range(2)]),
        quick_jit(jax.vmap(f))(*arguments),
    ):
        np.testing.assert_allclose(other, plain, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", ["auto_contrast", "equalize"])
def test_flat_images_stay_as_they_are(name, value):
    flat = jnp.full((20, 20, 3), value)
    np.testing.assert_array_equal(getattr(operations, name)(flat), flat)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6, 7, 41])
def test_equalize_divides_exactly(step):
    """Here ``step`` has no remainder, and every quotient is a whole number."""
    levels = np.uint8(np.repeat(np.arange(256), step))
    image_8bit = np.random.default_rng(0).permutation(levels).reshape(16, 16 * step)
    actual = quick_jit(operations.equalize)(jnp.float32(image_8bit / 255)[:, :, None])
    expected = np.asarray(ImageOps.equalize(Image.fromarray(image_8bit)))
    np.testing.assert_allclose(255 * actual[..., 0], expected, atol=1e-3)
    np.testing.assert_array_equal(expected, image_8bit)


def test_equalize_leaves_images_of_fewer_than_256_pixels_unchanged():
    image = picture(15, 17, 3)
    np.testing.assert_array_equal(operations.equalize(image), image)
    assert (operations.equalize(picture(16, 17, 3)) != picture(16, 17, 3)).any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 3), (2, 3, 3)])
def test_images_without_an_interior_cannot_be_sharpened(shape):
    image = picture(4, 4, 3)[: shape[0], : shape[1], : shape[2]]
    np.testing.assert_array_equal(operations.adjust_sharpness(image, 1.9), image)


def test_four_quarter_turns_change_nothing():
    image = picture(9, 9, 3)
    turned = operations.rotate(image, 90.0)
    np.testing.assert_array_equal(turned, jnp.rot90(image))
    np.testing.assert_array_equal(operations.rotate(image, 360.0), image)


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("magnitude", [0.0, 4.0, 9.0, 10.0])
def test_each_operation_at_each_magnitude_agrees_with_the_reference(magnitude, c):
    image = picture(17, 18, c)
    numbers = jnp.repeat(jnp.arange(14), 2)
    signs = jnp.tile(jnp.array([-1.0, 1.0]), 14)
    f = jax.vmap(partial(_apply, image, magnitude=magnitude))
    results = quick_jit(f)(numbers, signs)
    for number, sign, actual in zip(numbers, signs, results, strict=True):
        name = OPERATIONS[number]
        expected = reference.apply(image, name, float(sign), magnitude)
        different = abs(actual - expected).max(-1) > 1e-5
        # Close to a border, float32 may take the other pixel.
        assert different.mean() <= (0.01 if name in AFFINE else 0), name


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_the_layers_apply_the_drawn_operations_in_order(layers):
    image = picture(16, 17, 3)
    keys = jax.random.split(jax.random.key(3), 25)
    f = partial(randaugment, layers=layers, magnitude=6.0)
    results = quick_jit(jax.vmap(f, (0, None)))(keys, image)
    for key, actual in zip(keys, results, strict=True):
        numbers, signs = _draw(key, layers)
        expected = np.asarray(image)
        for number, sign in zip(numbers, signs, strict=True):
            expected = reference.apply(expected, OPERATIONS[number], float(sign), 6.0)
        # Levels halfway between two bytes may round the other way.
        assert np.mean(abs(actual - expected) > 1.01 / 255) < 0.02, numbers


def test_operations_and_signs_are_uniform_and_independent():
    keys = jax.random.split(jax.random.key(0), 2000)
    numbers, signs = jax.vmap(lambda key: _draw(key, 2))(keys)
    for layer in range(2):
        counts = np.bincount(numbers[:, layer], minlength=14)
        assert len(counts) == 14
        assert stats.chisquare(counts).pvalue > 1e-3
        assert set(signs[:, layer].tolist()) == {-1, 1}
        assert stats.binomtest(int((signs[:, layer] > 0).sum()), 2000).pvalue > 1e-3
    pairs = np.zeros((14, 14))
    np.add.at(pairs, (numbers[:, 0], numbers[:, 1]), 1)
    assert stats.chi2_contingency(pairs).pvalue > 1e-3
    signed = np.zeros((14, 2))
    np.add.at(signed, (numbers[:, 0], (signs[:, 0] > 0).astype(int)), 1)
    assert stats.chi2_contingency(signed).pvalue > 1e-3


def test_signs_reach_the_image():
    image = picture(8, 9, 1)
    images = draws(partial(randaugment, layers=1, magnitude=3.0), image, 2000)
    for name in AFFINE:
        for sign in (-1, 1):
            expected = reference.apply(image, name, sign, 3.0)
            same = (abs(images - expected) < 1e-6).all((1, 2, 3))
            assert stats.binomtest(int(same.sum()), 2000, 1 / 28).pvalue > 1e-3, name


@pytest.mark.parametrize("c", [1, 3])
def test_plain_jit_and_vmap_of_the_whole_agree(c):
    images = jnp.stack([picture(16, 18, c, seed) for seed in range(4)])
    keys = jax.random.split(jax.random.key(1), 4)
    jitted = quick_jit(randaugment)
    singly = np.stack([jitted(key, image) for key, image in zip(keys, images, strict=True)])
    assert singly.shape == images.shape
    assert singly.dtype == np.float32
    assert singly.min() >= 0
    assert singly.max() <= 1
    np.testing.assert_allclose(quick_jit(jax.vmap(randaugment))(keys, images), singly, atol=1e-5)
    if c == 3:  # without jit it is slow
        np.testing.assert_allclose(randaugment(keys[0], images[0]), singly[0], atol=1e-5)


def test_the_magnitude_may_be_traced_and_exceed_ten():
    image, key = picture(16, 18, 3), jax.random.key(2)
    f = quick_jit(lambda magnitude: randaugment(key, image, magnitude=magnitude))
    for magnitude in (0.0, 3.0, 9.0, 30.0):
        actual = f(jnp.float32(magnitude))
        assert actual.min() >= 0
        assert actual.max() <= 1
    expected = quick_jit(randaugment)(key, image)
    np.testing.assert_allclose(f(jnp.float32(9.0)), expected, atol=1e-5)
