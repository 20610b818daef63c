"""Adversarial losses: values, closed forms and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_rejects,
    equal,
    evaluate,
    normal,
    shaped,
)
from tests.references import generative as reference

ARGUMENTS = {"discriminator": 2, "generator": 1}


def logits(name, n=6, scale=2.0):
    return tuple(normal(2, n, scale=scale))[: ARGUMENTS[name]]


def wrt(name):
    return tuple(range(ARGUMENTS[name]))


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_and_gradients_match_the_reference(name, n):
    assert_agrees(name, getattr(reference, name), logits(name, n), wrt=wrt(name))


def test_closed_forms():
    zeros = jnp.zeros(3)
    equal(losses.discriminator(zeros, zeros), np.full(3, 2 * np.log(2)))
    equal(losses.generator(zeros), np.full(3, np.log(2)))
    sure = jnp.full(3, 1e4)
    equal(losses.discriminator(sure, -sure), np.zeros(3))
    equal(losses.discriminator(-sure, sure), np.full(3, 2e4))
    equal(losses.generator(sure), np.zeros(3))
    equal(losses.generator(-sure), np.full(3, 1e4))


def test_how_the_losses_are_related():
    real, fake = logits("discriminator")
    values = losses.discriminator(real, fake)
    equal(losses.discriminator(-fake, -real), values)
    equal(losses.generator(real) + losses.generator(-fake), values)
    log_q = normal(6, seed=3)  # nce with one noise sample per data sample
    equal(losses.nce(real + log_q, fake[:, None], log_q, jnp.zeros((6, 1))), values)
    gradients = jax.grad(lambda *x: losses.discriminator(*x).sum(), (0, 1))(real, fake)
    equal(gradients[0], -jax.nn.sigmoid(-real))
    equal(gradients[1], jax.nn.sigmoid(fake))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_extreme_logits(name):
    for scale in (1e4, 1e-8, 0):
        inputs = logits(name, scale=scale)
        assert_finite(name, getattr(reference, name), inputs, wrt=wrt(name))


def test_a_detected_generator_still_learns():
    _, (_, gradient) = evaluate("generator", (jnp.full(3, -1e4),), wrt=(0,))
    equal(gradient, -np.linspace(0.5, 1.5, 3))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bfloat16_is_computed_in_float32(name):
    assert_float32_inside(name, logits(name), wrt=wrt(name))


@pytest.mark.parametrize("shape", [(5,), (4, 1), ()])
def test_mismatched_shapes_are_rejected(shape):
    assert_rejects("discriminator", [shaped((4,)), shaped(shape)], 1)
