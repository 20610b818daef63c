"""Losses against collapse: values, closed forms, invariances, gradients and blocks."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses import checks
from tests.losses.checks import (
    assert_agrees,
    assert_float32_inside,
    assert_same,
    assert_transformable,
    defaults,
    equal,
    evaluate,
    normal,
    shaped,
    weigh,
)
from tests.references import spread as reference
from tests.references.arrays import gradient

KEY = jax.random.key(3)
SHAPES = {"sigreg": (7, 3), "coding_rate": (7, 3), "mmcr": (2, 7, 3), "me_max": (7, 4)}
CASES = {  # options of each loss that differ from the defaults
    "sigreg": {"slices": 8},
    "coding_rate": {"distortion": 0.3},
    "mmcr": {},
    "me_max": {"temperature": 0.5},
}
DEFAULTS = {
    "sigreg": {"slices": 256, "axis_name": None},
    "coding_rate": {"distortion": 0.5, "axis_name": None},
    "mmcr": {"axis_name": None},
    "me_max": {"temperature": 0.1, "axis_name": None},
}
NORMALIZED = ["coding_rate", "mmcr"]


def make(name, n=7, seed=0, scale=1.0):
    *views, _, d = SHAPES[name]
    return normal(*views, n, d, seed=seed, scale=scale)


@cache
def value_and_gradient(name, **options):
    """Returns a jitted function z -> value and gradient."""
    f = partial(getattr(losses, name), **options)
    return jax.jit(jax.value_and_grad(partial(f, KEY) if name == "sigreg" else f))


def run(name, z, **options):
    value, _ = value_and_gradient(name, **options)(z)
    assert value.shape == ()
    return value


def directions(d, slices):
    columns = jax.random.normal(KEY, (d, slices), jnp.float32)
    return columns / jnp.linalg.norm(columns, axis=0)


def expected_of(name, z, **options):
    if name == "sigreg":
        return reference.sigreg(directions(z.shape[1], options.get("slices", 256)), z)
    return getattr(reference, name)(z, **options)


def assert_finite(name, z, rtol=1e-4, **options):
    """Checks the value against the reference, and that the gradient is finite."""
    value, gradients = value_and_gradient(name, **options)(z)
    np.testing.assert_allclose(value, expected_of(name, z, **options), rtol=rtol, atol=1e-5)
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_match_the_reference(name, n):
    f = partial(expected_of, name, **CASES[name])
    for seed in range(2):
        z = make(name, n, seed)
        actual = value_and_gradient(name, **CASES[name])(z)
        assert_same(actual, (f(z), gradient(f, z)))


@pytest.mark.parametrize("name", CASES)
def test_defaults(name):
    assert defaults(name) == DEFAULTS[name]
    z = make(name)
    equal(run(name, z), expected_of(name, z))


@pytest.mark.parametrize("name", CASES)
def test_invariances(name):
    z = make(name)
    close = partial(equal, desired=run(name, z, **CASES[name]), rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)

    def check(z):
        close(run(name, z, **CASES[name]))

    check(jnp.take(z, rng.permutation(7), axis=-2))
    if name != "me_max":
        check(-z)
    if name in NORMALIZED:
        check(z * jnp.asarray(rng.uniform(0.01, 100, (*z.shape[:-1], 1)), jnp.float32))
        check(z @ jnp.asarray(np.linalg.qr(rng.normal(size=(3, 3)))[0], jnp.float32))
        check(z * jnp.asarray(rng.choice([-1.0, 1.0], (7, 1)), jnp.float32))
    if name == "mmcr":
        check(z[::-1])
        check(jnp.concatenate([z, z]))
    if name == "me_max":
        check(z[:, rng.permutation(4)])
        check(z + normal(7, 1, seed=1))


@pytest.mark.parametrize("name", CASES)
def test_a_duplicated_batch(name):
    """Means do not change, and sums grow."""
    z = make(name)
    value = run(name, z, **CASES[name])
    factor = {"sigreg": 2, "mmcr": np.sqrt(2)}.get(name, 1)
    twice = run(name, jnp.concatenate([z, z], axis=-2), **CASES[name])
    equal(twice, factor * value, rtol=1e-4)


def test_closed_forms_of_sigreg():
    n = 7
    t = np.linspace(-5, 5, 17)
    gaussian = np.exp(-(t**2) / 2)
    z = jnp.zeros((n, 3))
    value, gradients = value_and_gradient("sigreg", slices=8)(z)
    equal(value, n * np.trapezoid((1 - gaussian) ** 2 * gaussian, t))
    equal(gradients, np.zeros_like(gradients))

    signs = jnp.array([[1.0], [-1]])  # in one dimension directions are signs
    expected = 2 * np.trapezoid((np.cos(t) - gaussian) ** 2 * gaussian, t)
    equal(run("sigreg", signs, slices=8), expected)
    expected = np.trapezoid((1 - 2 * np.cos(3 * t) * gaussian + gaussian**2) * gaussian, t)
    equal(run("sigreg", jnp.array([[3.0]]), slices=8), expected)


def test_sigreg_of_normal_samples():
    """The expected value is the integral of (1 - exp(-t²)) exp(-t²/2) for every n."""
    samples = normal(64, 100, 4)
    f = partial(losses.sigreg, KEY, slices=16)
    value = jax.jit(jax.vmap(f))(samples).mean()
    np.testing.assert_allclose(value, np.sqrt(2 * np.pi) * (1 - 1 / np.sqrt(3)), rtol=0.15)

    z = normal(4096, 4)
    value = run("sigreg", z, slices=16)
    assert value < 3
    ones = jnp.ones(4) / 2
    for other in (2 * z, z / 2, z + 1, z @ jnp.outer(ones, ones), z.at[:, 0].set(0), abs(z)):
        assert run("sigreg", other, slices=16) > 10 * value


def test_sigreg_depends_on_the_key():
    z = make("sigreg")
    values = [losses.sigreg(jax.random.key(seed), z, slices=4) for seed in (0, 0, 1)]
    assert values[0] == values[1]
    assert abs(values[0] - values[2]) > 1e-3


def test_closed_forms_of_coding_rate():
    n, d = 6, 4
    for distortion in (0.5, 0.01):
        f = partial(run, "coding_rate", distortion=distortion)
        same = -np.log(1 + d / distortion) / 2
        equal(f(jnp.ones((n, d))), same)
        equal(f(3 * jnp.ones((1, d))), same)
        orthonormal = -d * np.log(1 + 1 / distortion) / 2
        equal(f(jnp.eye(d)), orthonormal)
        equal(f(jnp.tile(jnp.eye(d), (3, 1))), orthonormal)
        equal(f(jnp.eye(d, 2 * d)), -d * np.log(1 + 2 / distortion) / 2)
        equal(f(jnp.zeros((n, d))), 0)


@pytest.mark.parametrize(("n", "d"), [(3, 8), (8, 3)])
def test_coding_rate_of_wide_and_tall_batches(n, d):
    z = normal(n, d)
    actual = value_and_gradient("coding_rate")(z)
    assert_same(actual, (reference.coding_rate(z), gradient(reference.coding_rate, z)))


def test_closed_forms_of_mmcr():
    n, d = 4, 6
    f = partial(run, "mmcr")
    equal(f(jnp.ones((3, n, d))), -np.sqrt(n))
    same = jnp.tile(jnp.eye(n, d), (3, 1, 1))
    equal(f(same), -n)
    equal(f(same[:1]), -n)
    z = normal(n, d)
    equal(f(jnp.stack([z, -5 * z])), 0)
    orthogonal = jnp.stack([jnp.eye(n, 2 * n), jnp.eye(n, 2 * n, n)])  # the two views of each row
    equal(f(orthogonal), -n / np.sqrt(2))
    equal(f(jnp.ones((2, 1, d)).at[1].set(0)), -1 / 2)


@pytest.mark.parametrize("shape", [(1, 4, 3), (3, 2, 5), (3, 6, 2)])
def test_mmcr_of_other_shapes(shape):
    z = normal(*shape)
    actual = value_and_gradient("mmcr")(z)
    assert_same(actual, (reference.mmcr(z), gradient(reference.mmcr, z)))


def test_closed_forms_of_me_max():
    n, k = 6, 3
    for temperature in (0.1, 1.0):
        f = partial(run, "me_max", temperature=temperature)
        equal(f(jnp.ones((n, k))), 0)
        one_hot = 100 * jnp.eye(k)
        equal(f(one_hot), 0)
        equal(f(one_hot[jnp.zeros(n, int)]), np.log(k))
        equal(f(one_hot[jnp.array([0, 1, 0, 1])]), np.log(k / 2))
        logits = temperature * jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]))
        mean = np.array([0.4, 0.2, 0.4])
        equal(f(logits), np.log(k) + (mean * np.log(mean)).sum())
    equal(run("me_max", jnp.ones((n, 1))), 0)


@pytest.mark.parametrize(
    ("name", "number"), [("me_max", "temperature"), ("coding_rate", "distortion")]
)
def test_traced_numbers(name, number):
    z = make(name)
    run = jax.jit(jax.value_and_grad(lambda x: getattr(losses, name)(z, **{number: x})))
    for x in (0.1, 0.5, 2.0):
        f = partial(getattr(reference, name), z)
        assert_same(run(x), (f(**{number: x}), gradient(lambda x: f(**{number: x}), x)))  # noqa: B023


@pytest.mark.parametrize("name", NORMALIZED)
def test_extreme_lengths(name):
    for scale in (1e20, 1e4, 1e-8):
        assert_finite(name, make(name, scale=scale), **CASES[name])
    z = make(name)
    zeros = [z.at[..., 2, :].set(0), z.at[..., 1].set(0), 0 * z, 1 + 0 * z]
    for case in (*zeros, *[z[:, :2] for z in zeros if name == "mmcr"]):
        assert_finite(name, case, **CASES[name])
    if name == "mmcr":
        assert_finite(name, z.at[1].set(-z[0]))
        assert_finite(name, z.at[1].set(0))
    else:
        assert_finite(name, z, distortion=1e-4)


def test_extreme_embeddings_of_sigreg():
    assert_finite("sigreg", make("sigreg", scale=1e-8), slices=8)
    assert_finite("sigreg", make("sigreg").at[2].set(0), slices=8)
    # phases reach 1e5, where float32 is exact to a hundredth
    assert_finite("sigreg", make("sigreg", scale=1e4), slices=8, rtol=2e-2)


def test_extreme_logits_of_me_max():
    for scale in (1e4, 100, 1e-8, 0):
        for temperature in (0.01, 1.0):
            assert_finite("me_max", make("me_max", scale=scale), temperature=temperature)
    assert_finite("me_max", make("me_max") + 1e4 * jnp.eye(4)[0], temperature=0.01)


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_is_computed_in_float32(name):
    z = make(name).astype(jnp.bfloat16)
    value, gradients = value_and_gradient(name, **CASES[name])(z)
    assert value.dtype == jnp.float32
    assert gradients.dtype == jnp.bfloat16
    np.testing.assert_allclose(value, run(name, z.astype(jnp.float32), **CASES[name]), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sigreg", (4,)),
        ("sigreg", (2, 4, 3)),
        ("coding_rate", (4,)),
        ("coding_rate", (2, 4, 3)),
        ("mmcr", (4, 3)),
        ("mmcr", (2, 2, 4, 3)),
        ("me_max", (4,)),
        ("me_max", (2, 4, 3)),
    ],
)
def test_wrong_ranks_are_rejected(name, shape):
    f = inspect.unwrap(getattr(losses, name))  # without the type checks of the tests
    with pytest.raises(ValueError) as error:  # noqa: PT011
        jax.eval_shape(partial(f, KEY) if name == "sigreg" else f, shaped(shape))
    assert str(shape) in str(error.value)


# Uniformity, which supports blocks.

BLOCKS = [None, 1, 3, 100]  # of 7 rows


def rows(n=7, scale=1.0):
    return normal(n, 5, scale=scale)


def rotation():
    random = np.random.default_rng(1).normal(size=(5, 5))
    return jnp.asarray(np.linalg.qr(random)[0], jnp.float32)


def test_defaults_of_uniformity():
    assert defaults("uniformity") == {"t": 2.0, "axis_name": None, "block_size": None}
    equal(losses.uniformity(rows()), reference.uniformity(rows()))


@cache
def uniformity(block_size=None):
    """Returns a jitted function (z, t) -> value and both gradients."""

    def f(z, t):
        return losses.uniformity(z, t=t, block_size=block_size)

    return jax.jit(jax.value_and_grad(f, (0, 1)))


def uniformity_of(z, t=2.0, block_size=None):
    value, _ = uniformity(block_size)(z, t)
    assert value.shape == ()
    return value


@pytest.mark.parametrize("n", [2, 7])
@pytest.mark.parametrize("block_size", BLOCKS)
def test_uniformity_matches_the_reference(block_size, n):
    z = rows(n)
    for t in (0.5, 3.0):
        expected = (
            reference.uniformity(z, t=t),
            (
                gradient(lambda z: reference.uniformity(z, t=t), z),  # noqa: B023
                gradient(lambda t: reference.uniformity(z, t=t), t),
            ),
        )
        assert_same(uniformity(block_size)(z, t), expected)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms_of_uniformity(block_size):
    f = partial(uniformity_of, block_size=block_size)
    n = 7
    z = rows(n)
    for t in (0.5, 2.0):
        equal(f(jnp.stack([z[0], -3 * z[0]]), t), -4 * t)
        equal(f(jnp.eye(n, n + 1), t), -2 * t)
        square = jnp.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
        equal(f(square, t), np.log((2 * np.exp(-2 * t) + np.exp(-4 * t)) / 3))
        equal(f(z.at[1:].set(0)[:2], t), -t)  # a zero row stays at the center
        for same in (jnp.ones((n, 4)), 0 * z):
            value, (gradients, _) = uniformity(block_size)(same, t)
            equal(value, 0)
            equal(gradients, np.zeros_like(gradients))


def test_invariances_of_uniformity():
    z = rows()
    close = partial(equal, desired=uniformity_of(z), rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    close(uniformity_of(z[rng.permutation(7)]))
    close(uniformity_of(z @ rotation()))
    close(uniformity_of(-z))
    close(uniformity_of(z * jnp.asarray(rng.uniform(0.01, 100, (7, 1)), jnp.float32)))


def test_uniformity_prefers_spread_embeddings():
    z = rows(100)
    assert uniformity_of(z) < uniformity_of(z + 1) - 0.1
    assert uniformity_of(z + 1) < uniformity_of(z + 3) - 0.1


@pytest.mark.parametrize("block_size", [None, 3])
def test_extreme_inputs_of_uniformity(block_size):
    z = rows()
    scaled = [rows(scale=scale) for scale in (1e20, 1e4, 1e-8)]
    zeros = [z.at[2].set(0), z.at[2:5].set(0), 0 * z, z.at[3].set(z[2]), z.at[3].set(-z[2])]
    for inputs in (*scaled, *zeros):
        for t in (2.0, 1e4):
            value, gradients = uniformity(block_size)(inputs, t)
            expected = reference.uniformity(inputs, t=t)
            # in float32 a distance of 0, |u|^2 + |u|^2 - 2 u . u, is exact to 1e-7
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5 + 5e-7 * t)
            assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("block_size", [None, 3])
def test_uniformity_of_bfloat16_is_computed_in_float32(block_size):
    z = rows().astype(jnp.bfloat16)
    value, (gradients, _) = uniformity(block_size)(z, 2.0)
    assert value.dtype == jnp.float32
    assert gradients.dtype == jnp.bfloat16
    np.testing.assert_allclose(value, uniformity_of(z.astype(jnp.float32)), rtol=1e-6)


@pytest.mark.parametrize("block_size", [None, 3])
def test_uniformity_needs_two_examples(block_size):
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        uniformity_of(rows(1), block_size=block_size)


def test_uniformity_rejects_wrong_ranks():
    f = inspect.unwrap(losses.uniformity)  # without the type checks of the tests
    for shape in ((4,), (2, 4, 3)):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            jax.eval_shape(f, shaped(shape))
        assert str(shape) in str(error.value)


def test_blocks_of_uniformity_need_less_memory():
    """A 512 x 512 matrix takes 1 MB; blocks of 16 rows or columns take a thirty-second of it."""

    def temporaries(block_size):
        compilation = uniformity(block_size).lower(shaped((512, 4)), 2.0).compile()
        return compilation.memory_analysis().temp_size_in_bytes

    assert temporaries(None) > 2**20
    assert temporaries(16) < 2**19


# KoLeo, which returns one value per embedding.


def koleo(z):
    return evaluate("koleo", (z,), wrt=(0,))[0]


def test_koleo_matches_the_reference():
    assert_agrees("koleo", reference.koleo, (rows(),), wrt=(0,))


def test_defaults_of_koleo():
    assert defaults("koleo") == {"axis_name": None}
    equal(losses.koleo(rows()), reference.koleo(rows()), atol=1e-5)


def test_closed_forms_of_koleo():
    z, n = rows(), 4
    equal(koleo(jnp.stack([z[0], -z[0]])), np.full(2, -np.log(2)))
    equal(koleo(jnp.eye(n)), np.full(n, -np.log(2) / 2))
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], 1), jnp.float32)
    equal(koleo(circle), np.full(12, -np.log(2 * np.sin(np.pi / 12))))
    equal(koleo(jnp.ones((n, 5))), np.full(n, -np.log(1e-8)))


def test_koleo_is_exact_for_close_neighbors():
    """The distance computed as sqrt(2 - 2 cos) would be wrong in its first digit."""
    z = rows()
    z = z.at[1].set(z[0] + 2e-4 * z[2])
    values, (_, gradients) = evaluate("koleo", (z,), wrt=(0,))
    np.testing.assert_allclose(values, reference.koleo(z), atol=2e-3)
    expected = gradient(lambda z: weigh(reference.koleo(z)), z, 1e-7)
    np.testing.assert_allclose(gradients, expected, rtol=5e-3, atol=5e-3 * np.abs(expected).max())


def test_invariances_of_koleo():
    z = rows()
    values = koleo(z)
    rng = np.random.default_rng(1)
    order = rng.permutation(7)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    close(koleo(z[order]), values[order])
    close(koleo(z @ rotation()), values)
    close(koleo(z * jnp.asarray(rng.uniform(0.01, 100, (7, 1)), jnp.float32)), values)


def test_extreme_lengths_of_koleo():
    check = partial(checks.assert_finite, "koleo", reference.koleo, wrt=(0,))
    for scale in (1e20, 1e4, 1e-8, 0):
        check((rows(scale=scale),))
    # the nearest neighbor of a zero row is not defined
    values, gradients = evaluate("koleo", (rows().at[2].set(0),), wrt=(0,))
    assert np.isfinite(values).all()
    assert np.isfinite(gradients[1]).all()


def test_koleo_of_bfloat16_is_computed_in_float32():
    assert_float32_inside("koleo", (rows(),), wrt=(0,))


@pytest.mark.parametrize("shape", [(4,), (1, 5)])  # not a matrix; no neighbor
def test_koleo_rejects_wrong_shapes(shape):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        jax.eval_shape(inspect.unwrap(losses.koleo), shaped(shape))
    assert str(shape) in str(error.value)


def test_koleo_under_vmap_scan_and_checkpoint():
    batches = [(normal(7, 5, seed=seed),) for seed in range(3)]
    assert_transformable(lambda z: weigh(losses.koleo(z)), batches)
