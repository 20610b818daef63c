"""Corrupted test pictures, and the classifier that is fitted to clean ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.augment import corruptions
from ssl_jax.data.dataset import Arrays
from ssl_jax.evaluation.corrupted import (
    CLEAN,
    CONDITIONS,
    Condition,
    Corrupted,
    corrupt,
    mean_accuracy,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
ALL = np.arange(6)


def test_strength_0_leaves_every_byte():
    np.testing.assert_array_equal(corrupt(PIXELS, ALL, CLEAN), PIXELS)
    np.testing.assert_array_equal(corrupt(PIXELS, ALL, Condition("noise", 0)), PIXELS)


def test_there_are_five_strengths_of_each_corruption():
    assert len(CONDITIONS) == len(set(CONDITIONS)) == 5 * len(corruptions.CORRUPTIONS)


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_each_picture_is_corrupted_by_the_public_function(name):
    found = corrupt(PIXELS, ALL + 10, Condition(name, 4), seed=3)
    assert found.dtype == np.uint8
    for number, (picture, corrupted) in enumerate(zip(PIXELS, found, strict=True)):
        key = jax.random.fold_in(jax.random.key(3), number + 10)
        function = corruptions.CORRUPTIONS[name]
        expected = 255 * np.asarray(
            function(key, jnp.asarray(picture / np.float32(255)), strength=4)
        )
        assert np.abs(corrupted - expected).max() <= 0.51  # rounded to bytes


def test_contrast_follows_its_formula():
    found = corrupt(PIXELS, ALL, Condition("contrast", 2)).astype(float)
    mean = PIXELS.mean((1, 2), keepdims=True)
    assert np.abs(found - (mean + 0.5 * (PIXELS - mean))).max() <= 0.51


def test_higher_strengths_change_more():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    for name in corruptions.CORRUPTIONS:
        weak, strong = (
            np.abs(
                corrupt(pixels, ALL[:2], Condition(name, strength)) - pixels.astype(float)
            ).mean()
            for strength in (1, 5)
        )
        assert 0 < weak < strong


def test_noise_depends_on_the_seed_and_the_number_of_the_picture_alone():
    noise = Condition("noise", 3)
    found = corrupt(PIXELS, ALL, noise)
    np.testing.assert_array_equal(corrupt(PIXELS[4:], ALL[4:], noise), found[4:])
    assert (corrupt(PIXELS, ALL, noise, seed=1) != found).any()
    same = corrupt(np.repeat(PIXELS[:1], 2, axis=0), ALL[:2], noise)
    assert (same[0] != same[1]).any()


def test_a_source_is_corrupted_in_any_order_and_keeps_its_other_entries():
    source = Arrays({"image": PIXELS, "label": ALL})
    corrupted = Corrupted(source, "image", Condition("noise", 2))
    assert len(corrupted) == 6
    whole = corrupt(PIXELS, ALL, Condition("noise", 2))
    batch = corrupted.take(np.array([3, 0, 3]))
    np.testing.assert_array_equal(batch["image"], whole[[3, 0, 3]])
    np.testing.assert_array_equal(batch["label"], [3, 0, 3])
    np.testing.assert_array_equal(corrupted[2]["image"], whole[2])
    clean = Corrupted(source, "image", CLEAN)
    np.testing.assert_array_equal(clean.take(ALL)["image"], PIXELS)
    np.testing.assert_array_equal(source.columns["image"], PIXELS)


@pytest.mark.parametrize(
    ("condition", "error"),
    [(Condition("fog", 1), KeyError), (Condition("blur", 6), ValueError)],
)
def test_unknown_conditions_are_refused(condition, error):
    with pytest.raises(error):
        corrupt(PIXELS, ALL, condition)


def test_the_mean_is_over_corruptions_and_strengths_alike():
    accuracies = {condition: number / 19 for number, condition in enumerate(CONDITIONS)}
    assert mean_accuracy(accuracies) == pytest.approx(0.5)
    assert mean_accuracy(accuracies | {CLEAN: 1.0}) == pytest.approx(0.5)
