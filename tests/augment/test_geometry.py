"""Crops and flips: against Pillow, the references and the distributions of the draws."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from ssl_jax import augment
from ssl_jax.augment import geometry
from tests.augment import draws, picture
from tests.references import augment as reference

BOXES = [  # (h, w, c), (top, left, height, width), size: smaller, larger, mixed, one pixel, whole
    ((17, 23, 3), (2, 3, 13, 17), (7, 5)),
    ((17, 23, 1), (0, 6, 5, 4), (17, 23)),
    ((16, 16, 3), (5, 0, 11, 3), (4, 9)),
    ((9, 31, 1), (8, 30, 1, 1), (4, 4)),
    ((9, 31, 3), (0, 0, 9, 31), (9, 31)),
    ((64, 48, 1), (1, 1, 63, 47), (3, 2)),
]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("shape", "box", "size"), BOXES)
def test_crop_and_resize_agrees_with_pillow(shape, box, size, interpolation):
    image = picture(*shape)
    top, left, height, width = box
    crop_and_resize = partial(geometry.crop_and_resize, size=size, interpolation=interpolation)
    actual = jax.jit(crop_and_resize)(image, *box)
    assert actual.dtype == jnp.float32
    if interpolation == "bilinear":
        expected = reference.crop_and_resize(image, *box, size=size)
        np.testing.assert_allclose(actual, expected, atol=2e-6)
    for i in range(shape[-1]):  # mode "F" is Pillow's float arithmetic
        whole = Image.fromarray(np.asarray(image[..., i]))
        crop = whole.crop((left, top, left + width, top + height))
        pillow = crop.resize(size[::-1], Image.Resampling[interpolation.upper()])
        np.testing.assert_allclose(actual[..., i], np.clip(pillow, 0, 1), atol=4e-6)


def test_an_integer_size_is_a_square():
    image = picture(9, 7, 3)
    np.testing.assert_array_equal(
        geometry.crop_and_resize(image, 1, 1, 5, 4, size=6),
        geometry.crop_and_resize(image, 1, 1, 5, 4, size=(6, 6)),
    )


def boxes(h, w, n, **parameters):
    """Boxes of `n` draws, recovered from crops of an image that holds its own coordinates.

    Enlarging a ramp keeps it a ramp away from the borders, and keeps its mean at the center.
    """
    rows, columns = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    ramps = np.stack([rows, columns, columns], -1) / max(h, w)
    f = partial(augment.random_resized_crop, size=(2 * h, 2 * w), **parameters)
    crops = draws(f, ramps, n) * max(h, w)
    vertical, horizontal = crops[:, :, 0, 0], crops[:, 0, :, 1]
    top, height = _extent(vertical)
    left, width = _extent(horizontal)
    return np.stack([top, left, height, width], -1)


def _extent(ramp):
    middle = ramp.shape[1] // 2
    length = (ramp[:, middle] - ramp[:, middle - 1]) * ramp.shape[1]
    length = np.maximum(1, length)
    start = ramp.mean(1) - (length - 1) / 2
    for value in (length, start):
        np.testing.assert_allclose(value, np.round(value), atol=0.05)
    return np.round(start).astype(int), np.round(length).astype(int)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((32, 24), {}),
        ((20, 30), {"area": (0.3, 0.9), "aspect": (0.5, 3.0)}),
        ((20, 20), {"area": (0.2, 0.5), "aspect": (1.0, 1.0)}),
    ],
)
def test_boxes_have_the_distribution_of_torchvision(shape, parameters):
    h, w = shape
    ours = boxes(h, w, 1500, **parameters)
    rng = np.random.default_rng(0)
    theirs = np.array([reference.sample_box(rng, h, w, **parameters) for _ in range(6000)])
    for name, statistic in {
        "area": lambda b: b[:, 2] * b[:, 3],
        "aspect": lambda b: b[:, 3] / b[:, 2],
        "height": lambda b: b[:, 2],
        "width": lambda b: b[:, 3],
        "top": lambda b: b[:, 0],
        "left": lambda b: b[:, 1],
        "bottom margin": lambda b: h - b[:, 0] - b[:, 2],
        "right margin": lambda b: w - b[:, 1] - b[:, 3],
        "diagonal": lambda b: b[:, 0] + b[:, 1],
        "antidiagonal": lambda b: b[:, 0] - b[:, 1],
    }.items():
        p = stats.ks_2samp(statistic(ours), statistic(theirs)).pvalue
        assert p > 1e-3, f"{name}: p = {p:.1e}"
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= shape).all()


@pytest.mark.parametrize(
    ("shape", "area", "box"),
    [
        ((8, 64), (0.5, 1.0), (0, 26, 8, 11)),
        ((64, 8), (0.5, 1.0), (26, 0, 11, 8)),
        ((10, 9), (2.0, 2.0), (0, 0, 10, 9)),
    ],
)
def test_a_box_that_never_fits_falls_back_to_the_center(shape, area, box):
    assert (boxes(*shape, 20, area=area) == box).all()
    assert reference.sample_box(np.random.default_rng(0), *shape, area) == box


@pytest.mark.parametrize("shape", [(600, 2400), (900, 300), (500, 500)])
@pytest.mark.parametrize("area", [(0.05, 0.4), (0.9, 1.0)])  # the second rarely fits
def test_boxes_of_a_squeezed_picture_are_those_of_the_picture(shape, area):
    h, w = shape
    stored = 2000
    box = jax.vmap(
        lambda key, h, w, stretch: jnp.stack(
            geometry._inception_box(key, h, w, area, (3 / 4, 4 / 3), stretch)
        ),
        in_axes=(0, None, None, None),
    )
    keys = jax.random.split(jax.random.key(0), 200)
    in_picture = np.array(box(keys, h, w, 1.0)) / (h, w, h, w)
    in_store = np.array(box(keys, stored, stored, w / h)) / stored
    close = np.abs(in_store - in_picture).max(axis=1) < 2 / min(h, w)
    assert close.mean() > 0.9  # rounding lets a few draws fit in one of them only


def test_a_crop_of_a_squeezed_picture_is_no_longer_squeezed():
    """A disc in a wide picture is an ellipse in the store, and a disc again in the crop."""
    y, x = np.mgrid[:60, :180]
    disc = jnp.float32((y - 29.5) ** 2 + (x - 89.5) ** 2 < 20**2)[..., None]
    stored = geometry.crop_and_resize(disc, 0, 0, 60, 180, size=180)
    largest = partial(augment.random_resized_crop, area=(1.0, 1.0), aspect=(1.0, 1.0))
    for crop in (partial(largest, jax.random.key(0)), geometry.center_crop):
        found = np.asarray(crop(stored, size=60, picture_aspect=3.0))[..., 0]
        expected = np.asarray(disc[:, 60:120, 0])
        np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=0.06)
        np.testing.assert_allclose(found.mean(axis=1), expected.mean(axis=1), atol=0.06)


def test_random_resized_crop_keeps_the_image_size_by_default():
    image = picture(11, 14, 3)
    key = jax.random.key(0)
    for size, shape in [(None, (11, 14, 3)), (5, (5, 5, 3)), ((5, 6), (5, 6, 3))]:
        f = partial(augment.random_resized_crop, size=size)
        assert jax.eval_shape(f, key, image).shape == shape


def test_random_crop_is_uniform_over_the_shifts():
    image = picture(6, 7, 3)
    for padding in (1, 2):
        expected = reference.random_crops(image, padding)
        crops = draws(partial(augment.random_crop, padding=padding), image, 1000)
        same = (crops[:, None] == expected[None]).all((2, 3, 4))
        assert (same.sum(1) == 1).all()
        assert stats.chisquare(same.sum(0)).pvalue > 1e-3
    np.testing.assert_array_equal(
        augment.random_crop(jax.random.key(0), image, padding=0),
        image,
    )


def test_horizontal_flip_reverses_the_columns():
    image = picture(5, 7, 3)
    flipped = augment.horizontal_flip(jax.random.key(0), image, probability=1.0)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
