"""Random erasing: the box against the reference, the fill, and how often it happens."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ssl_jax.augment.erasing import random_erasing
from tests.augment import draws, picture, quick_jit
from tests.references import erasing as reference

CASES = [{}, {"value": 0.5}, {"probability": 1.0, "area": (0.2, 0.5), "aspect": (0.5, 2.0)}]


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("parameters", CASES)
def test_plain_jit_and_vmap_agree_and_keep_the_range(parameters, c):
    f = partial(random_erasing, **parameters)
    images = jnp.stack([picture(11, 14, c, seed) for seed in range(4)])
    keys = jax.random.split(jax.random.key(1), 4)
    jitted = quick_jit(f)
    singly = np.stack([jitted(key, image) for key, image in zip(keys, images, strict=True)])
    assert singly.shape == images.shape
    assert singly.dtype == np.float32
    assert singly.min() >= 0
    assert singly.max() <= 1
    np.testing.assert_array_equal(quick_jit(jax.vmap(f))(keys, images), singly)
    if c == 3 and not parameters:  # without jit it is slow
        np.testing.assert_allclose(f(keys[0], images[0]), singly[0], atol=1e-6)


def boxes(h, w, n, **parameters):
    """Whether a box was erased in each of n draws, and the boxes of those where it was."""
    f = partial(random_erasing, value=0.0, **parameters)
    erased = draws(f, np.ones((h, w, 1)), n)[..., 0] == 0
    found = erased.any((1, 2))
    rows, columns = erased[found].any(2), erased[found].any(1)
    np.testing.assert_array_equal(erased[found], rows[:, :, None] & columns[:, None])
    edges = [rows.argmax(1), columns.argmax(1), rows.sum(1), columns.sum(1)]
    top, left, height, width = edges
    for mask, start, length in ((rows, top, height), (columns, left, width)):
        places = np.arange(mask.shape[1])
        expected = (places >= start[:, None]) & (places < (start + length)[:, None])
        np.testing.assert_array_equal(mask, expected)
    return found, np.stack(edges, -1)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((32, 32), {}),
        ((24, 40), {}),
        ((20, 30), {"area": (0.3, 0.9), "aspect": (0.5, 3.0)}),
        ((20, 20), {"area": (0.2, 0.5), "aspect": (1.0, 1.0)}),
    ],
)
def test_boxes_have_the_distribution_of_timm(shape, parameters):
    h, w = shape
    found, ours = boxes(h, w, 2000, probability=1.0, **parameters)
    rng = np.random.default_rng(0)
    theirs = [reference.sample_box(rng, h, w, **parameters) for _ in range(8000)]
    theirs = np.array([box for box in theirs if box is not None])
    assert abs(found.mean() - len(theirs) / 8000) < 0.01
    compare(ours, theirs, h, w)


def test_whether_to_erase_does_not_depend_on_the_box():
    _, ours = boxes(16, 16, 3000, probability=0.5)
    rng = np.random.default_rng(0)
    theirs = [reference.sample_box(rng, 16, 16) for _ in range(8000)]
    compare(ours, np.array([box for box in theirs if box is not None]), 16, 16)


def compare(ours, theirs, h, w):
    for name, statistic in {
        "area": lambda b: b[:, 2] * b[:, 3],
        "aspect": lambda b: b[:, 2] / b[:, 3],
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


def test_nothing_is_erased_if_no_box_fits():
    found, _ = boxes(8, 64, 50, probability=1.0, area=(0.9, 1.0), aspect=(1.0, 1.0))
    assert not found.any()


@pytest.mark.parametrize("probability", [None, 0.0, 0.6, 1.0])
def test_probability(probability):
    parameters = {} if probability is None else {"probability": probability}
    found, _ = boxes(16, 16, 2000, **parameters)
    probability = 0.25 if probability is None else probability
    if probability in (0.0, 1.0):
        assert found.mean() == probability
    else:
        assert stats.binomtest(int(found.sum()), 2000, probability).pvalue > 1e-3


@pytest.mark.parametrize("c", [1, 3])
def test_outside_the_box_nothing_changes_and_inside_is_uniform_noise(c):
    image = jnp.full((12, 12, c), 2.0)  # no noise is 2
    images = draws(partial(random_erasing, probability=1.0), image, 300)
    noise = images[images != 2].reshape(-1, c)  # all channels of a pixel are erased together
    np.testing.assert_array_equal((images == 2).all(-1), (images == 2).any(-1))
    assert len(np.unique(noise)) > 0.99 * noise.size
    assert stats.kstest(noise.ravel(), stats.uniform(0, 1).cdf).pvalue > 1e-3
    for a, b in [(0, 1), (0, 2), (1, 2)][: 3 * (c > 1)]:
        assert stats.spearmanr(noise[:, a], noise[:, b]).pvalue > 1e-3


def test_the_fill_can_be_a_constant_or_one_per_channel():
    image = picture(12, 12, 3)
    for value, pixel in ((0.4, (0.4, 0.4, 0.4)), ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3))):
        f = partial(random_erasing, probability=1.0, value=value)
        erased = np.asarray(f(jax.random.key(0), image))
        changed = (erased != image).any(-1)
        assert 0 < changed.mean() < 0.5
        np.testing.assert_allclose(erased[changed], np.tile(pixel, (changed.sum(), 1)), atol=1e-6)
