"""The color bins: the authors' list, and loops in NumPy for encoding, decoding and weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from ssl_jax.augment.lab import rgb_to_lab
from ssl_jax.methods.pretext import color_bins

CENTERS = color_bins.centers().astype(np.float64)
RNG = np.random.default_rng(0)

# a: first and last b of the 313 points in pts_in_hull.npy of github.com/richzhang/colorization
AUTHORS = {
    **{-90: (50, 90), -80: (20, 90), -70: (0, 90), -60: (-20, 90), -50: (-30, 100)},
    **{-40: (-40, 100), -30: (-50, 100), -20: (-50, 100), -10: (-60, 100), 0: (-70, 100)},
    **{10: (-80, 90), 20: (-80, 90), 30: (-90, 90), 40: (-100, 90), 50: (-100, 80)},
    **{60: (-110, 80), 70: (-110, 80), 80: (-110, 70), 90: (-110, 70), 100: (-90, 0)},
}


def distribution(seed):
    counts = np.random.default_rng(seed).exponential(size=len(CENTERS)) ** 3
    return (counts / counts.sum()).astype(np.float32)


def test_bins_are_those_of_the_authors():
    expected = [(a, b) for a, (low, high) in AUTHORS.items() for b in range(low, high + 1, 10)]
    assert len(expected) == 313
    np.testing.assert_array_equal(color_bins.centers(), expected)


def test_every_color_lies_among_four_bins_and_261_are_the_nearest_of_some():
    levels = np.linspace(0, 1, 86, dtype=np.float32)
    colors = jnp.stack(jnp.meshgrid(levels, levels, levels), axis=-1)
    ab = np.asarray(jax.jit(rgb_to_lab)(colors))[..., 1:].reshape(-1, 2)
    known = {tuple(center) for center in CENTERS.tolist()}
    for cell in np.unique(np.floor(ab / 10), axis=0):
        assert {tuple(10 * (cell + corner)) for corner in np.ndindex(2, 2)} <= known
    assert len(np.unique(np.round(ab / 10), axis=0)) == 261


def test_bins_can_be_computed_inside_jit():
    color_bins.centers.cache_clear()
    assert jax.jit(lambda: jnp.asarray(color_bins.centers()))().shape == (313, 2)


def test_a_color_is_shared_by_its_five_nearest_bins():
    ab = np.concatenate([RNG.uniform(-60, 60, (2, 10, 2)), RNG.uniform(-130, 130, (2, 10, 2))])
    encoded = jax.jit(color_bins.encode)(jnp.asarray(ab, jnp.float32))
    numbers = jax.jit(color_bins.nearest)(jnp.asarray(ab, jnp.float32))
    for i in np.ndindex(4, 10):
        distances = np.hypot(*(CENTERS - ab[i]).T)
        near = np.argsort(distances)[:5]
        expected = np.zeros(len(CENTERS))
        # relative to the nearest: far beyond the gamut, the kernel itself vanishes
        expected[near] = np.exp((distances[near[0]] ** 2 - distances[near] ** 2) / (2 * 5**2))
        np.testing.assert_allclose(encoded[i], expected / expected.sum(), atol=2e-5)
        assert numbers[i] == near[0]


def test_a_center_is_encoded_as_itself_and_a_little_of_its_neighbors():
    encoded = color_bins.encode(jnp.array([20.0, -30]))
    assert color_bins.nearest(jnp.array([20.0, -30])) == np.argmax(encoded)
    by_center = {tuple(c): float(x) for c, x in zip(CENTERS.tolist(), encoded, strict=True)}
    for neighbor in ((10, -30), (30, -30), (20, -40), (20, -20)):
        np.testing.assert_allclose(by_center[neighbor] / by_center[20, -30], np.exp(-2), rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.001, 0.38, 1.0])
def test_the_annealed_mean_lies_between_the_mode_and_the_mean(temperature):
    shares = np.stack([distribution(seed) for seed in range(4)]).astype(np.float64)
    logits = jnp.asarray(np.log(shares) + 7, jnp.float32)
    found = jax.jit(color_bins.annealed_mean)(logits, temperature)
    for row, color in zip(shares, found, strict=True):
        sharpened = np.exp(np.log(row) / temperature - np.log(row).max() / temperature)
        np.testing.assert_allclose(color, sharpened @ CENTERS / sharpened.sum(), atol=1e-2)
    ends = {0.001: CENTERS[shares.argmax(1)], 1.0: shares @ CENTERS}
    if temperature in ends:
        np.testing.assert_allclose(found, ends[temperature], atol=1e-2)


@pytest.mark.parametrize("uniform", [0.1, 0.5, 1.0])
def test_rare_bins_weigh_more_and_the_mean_weight_is_1(uniform):
    prior = distribution(0)
    found = color_bins.weights(jnp.asarray(prior), uniform)
    expected = [1 / ((1 - uniform) * p + uniform / len(prior)) for p in prior.tolist()]
    mean = sum(w * p for w, p in zip(expected, prior.tolist(), strict=True))
    np.testing.assert_allclose(found, np.array(expected) / mean, rtol=1e-4)
    np.testing.assert_allclose(np.sum(prior * found), 1, rtol=1e-5)


def test_bins_that_do_not_occur_have_finite_weights():
    prior = jnp.zeros(313).at[3].set(1)
    assert np.isfinite(color_bins.weights(prior, 0.5)).all()


def test_no_constant_output_has_a_lower_loss_than_the_one_by_chance():
    ab = jnp.asarray(RNG.normal(10, 20, (3, 4, 4, 2)), jnp.float32)
    targets, weights = color_bins.encode(ab), jnp.asarray(RNG.uniform(0.2, 5, 313), jnp.float32)
    least = color_bins.loss_by_chance(targets, weights)

    def of_constant(logits):
        logits = jnp.broadcast_to(logits, targets.shape)
        return losses.colorization(logits, targets, bin_weights=weights).mean()

    by_pixel = np.asarray(weights)[np.argmax(targets, axis=-1)][..., None] * np.asarray(targets)
    best = jnp.log(by_pixel.reshape(-1, 313).sum(axis=0) + 1e-12)
    value, gradient = jax.jit(jax.value_and_grad(of_constant))(best)
    np.testing.assert_allclose(least, value, rtol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
