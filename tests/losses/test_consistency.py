"""UDA and pseudo-labels: values, closed forms, thresholds and gradients."""

import inspect

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
from tests.references import consistency as reference

NAMES = ["uda", "pseudo_label"]


def views(n=8, k=4, scale=3.0):
    return tuple(normal(2, n, k, scale=scale))


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_match_the_reference(name):
    f = getattr(reference, name)
    for threshold in (0.0, 0.7):
        assert_agrees(name, f, views(), wrt=(1,), threshold=threshold)
    values = f(*views(), threshold=0.7)
    assert 0 < (values == 0).sum() < len(values)  # some rows pass the threshold, but not all
    assert_agrees(name, f, views(n=1), wrt=(1,), threshold=0.0)


def test_defaults():
    def defaults(f):
        parameters = inspect.signature(f).parameters.values()
        return {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}

    assert defaults(losses.uda) == {"temperature": 0.4, "threshold": 0.8}
    assert defaults(losses.pseudo_label) == {"threshold": 0.95}


def test_uda_with_a_traced_temperature():
    f = jax.jit(lambda t: losses.uda(*views(), temperature=t, threshold=0.5))
    for temperature in (0.01, 0.4, 1.0):
        expected = reference.uda(*views(), temperature=temperature, threshold=0.5)
        equal(f(temperature), expected, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_target_gets_no_gradient(name):
    _, (_, *gradients) = evaluate(name, views(), wrt=(0, 1), threshold=0.0)
    np.testing.assert_array_equal(gradients[0], np.zeros_like(gradients[0]))
    assert (abs(gradients[1]) > 0).all()


def test_gradients_are_prediction_minus_target():
    weak, strong = views()
    by = np.linspace(0.5, 1.5, 8)[:, None]  # the weights in weigh
    _, (_, g) = evaluate("uda", (weak, strong), wrt=(1,), threshold=0.0)
    equal(g, by * (jax.nn.softmax(strong) - jax.nn.softmax(weak / 0.4)))
    _, (_, g) = evaluate("pseudo_label", (weak, strong), wrt=(1,), threshold=0.0)
    equal(g, by * (jax.nn.softmax(strong) - jax.nn.one_hot(weak.argmax(-1), 4)))


def test_closed_forms():
    def run(name, *inputs):
        return evaluate(name, inputs, wrt=(1,), threshold=0.7)[0]

    clean, augmented = views()
    equal(
        run("uda", clean, clean / 0.4), np.zeros(8), atol=1e-5
    )  # the augmented prediction equals the target
    classes = jnp.arange(8) % 4
    sure = 1e4 * jax.nn.one_hot(classes, 4)
    expected = -jax.nn.log_softmax(augmented)[np.arange(8), classes]
    for name in NAMES:  # cross-entropy and KL agree for a one-hot target
        equal(run(name, sure, 0 * augmented), np.full(8, np.log(4)))
        equal(run(name, sure, augmented), expected)
        equal(run(name, sure, sure), np.zeros(8))
        equal(run(name, 0 * clean, augmented), np.zeros(8))


def test_exactly_at_the_threshold():
    """Two equal logits have probability 1/2 each: uda needs more, pseudo_label does not."""
    even, strong = jnp.zeros((1, 2)), jnp.array([[1.0, 3.0]])
    assert losses.uda(even, strong, threshold=0.5) == 0
    assert losses.uda(even, strong, threshold=0.49) > 0.1
    assert losses.pseudo_label(even, strong, threshold=0.5) > 0.1
    assert losses.pseudo_label(even, strong, threshold=0.51) == 0


def test_uda_compares_the_threshold_with_the_unsharpened_probability():
    clean = jnp.log(jnp.array([[0.7, 0.3]]))  # sharpened to 0.89
    assert losses.uda(clean, -clean) == 0
    assert losses.uda(clean, -clean, threshold=0.69) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_invariances(name):
    clean, augmented = views()

    def f(*logits):
        return evaluate(name, logits, wrt=(1,), threshold=0.7)[0]

    values = f(clean, augmented)
    shift = normal(2, 8, 1, seed=1)
    equal(f(clean + shift[0], augmented + shift[1]), values, atol=1e-5)
    rng = np.random.default_rng(2)
    rows, classes = rng.permutation(8), rng.permutation(4)
    equal(f(clean[rows], augmented[rows]), values[rows])
    equal(f(clean[:, classes], augmented[:, classes]), values, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits(name):
    f = getattr(reference, name)
    for scale in (1e4, 1e-8, 0):
        options = {"wrt": (0, 1), "threshold": 0.0, "atol": 1e-7 * max(scale, 100) / 0.4}
        assert_finite(name, f, views(scale=scale), **options)


def test_extreme_logits_and_a_low_temperature():
    """After the division logits reach 1e6, where float32 is exact to 0.1."""
    options = {"temperature": 0.01, "atol": 0.2}
    assert_finite("uda", reference.uda, views(scale=1e4), wrt=(0, 1), **options)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_computed_in_float32(name):
    assert_float32_inside(name, views(), wrt=(0, 1), threshold=0.5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 3), (4, 2), (4,)])
def test_mismatched_shapes_are_rejected(name, shape):
    assert_rejects(name, [shaped((4, 3)), shaped(shape)], 1)
