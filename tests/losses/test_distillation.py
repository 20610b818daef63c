"""BYOL, DINO and iBOT: values, closed forms, invariances, gradients, transformations."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import assert_transformable, weigh
from tests.references import distillation as reference
from tests.references.arrays import cross_entropy, gradient, softmax

V, G, N, T, K = 3, 2, 4, 3, 5


def normal(rng, *shape, scale=1.0):
    return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)


def probabilities(rng, *shape):
    return jax.nn.softmax(normal(rng, *shape))


def two_rows(rng, scale):
    return normal(rng, N, K, scale=scale), normal(rng, N, K, scale=scale)


def views_and_targets(rng, scale):
    return normal(rng, V, N, K, scale=scale), probabilities(rng, G, N, K)


def views(rng, scale):
    student, teacher = normal(rng, V, N, K, scale=scale), normal(rng, G, N, K, scale=scale)
    return student, teacher, normal(rng, K)


def patches(rng, scale):
    student, teacher = normal(rng, N, T, K, scale=scale), normal(rng, N, T, K, scale=scale)
    mask = rng.random((N, T)) < 0.6
    mask[0], mask[1] = True, False  # one image is hidden completely, one not at all
    return student, teacher, normal(rng, K), jnp.asarray(mask)


TEMPERATURES = {"student_temperature": 0.3, "teacher_temperature": 0.2}
CASES = {  # a function that draws the inputs (the first is trained), and the numbers
    "cosine_regression": (two_rows, {}),
    "cross_view": (views_and_targets, {"temperature": 0.3}),
    "dino": (views, TEMPERATURES),
    "ibot_patch": (patches, TEMPERATURES),
}
SHARPENED = ["cross_view", "dino", "ibot_patch"]


def make(name, scale=1.0, seed=0):
    inputs, numbers = CASES[name]
    return inputs(np.random.default_rng(seed), scale), numbers


@cache
def value_and_gradients(name):
    """Returns a jitted function (inputs, numbers) -> values and gradients of their weighted sum.

    Gradients are those for all inputs except a mask, and for the student's temperature.
    """

    def f(floats, numbers, rest):
        values = getattr(losses, name)(*floats, *rest, **numbers)
        return weigh(values), values

    @jax.jit
    def run(inputs, numbers):
        floats = [x for x in inputs if jnp.issubdtype(x.dtype, jnp.floating)]
        run = jax.grad(f, (0, 1), has_aux=True)
        (floats, numbers), values = run(floats, numbers, inputs[len(floats) :])
        numbers = {k: v for k, v in numbers.items() if k != "teacher_temperature"}
        return values, floats, numbers

    return run


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_match_the_reference(name):
    f, (inputs, numbers) = getattr(reference, name), make(name)
    first, *rest = inputs
    values, (actual, *_), temperatures = value_and_gradients(name)(inputs, numbers)
    equal = partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-5)
    equal(values, f(*inputs, **numbers))
    equal(actual, gradient(lambda x: weigh(f(x, *rest, **numbers)), first))
    for key, actual in temperatures.items():
        expected = gradient(lambda t: weigh(f(*inputs, **{**numbers, key: t})), numbers[key])  # noqa: B023
        equal(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_defaults(name):
    inputs, _ = make(name)
    expected = getattr(reference, name)(*inputs)
    values = jax.jit(getattr(losses, name))(*inputs)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_no_gradient_reaches_the_teacher(name):
    _, (first, *others), _ = value_and_gradients(name)(*make(name))
    assert np.abs(first).max() > 1e-3
    for other in others:
        np.testing.assert_array_equal(other, np.zeros_like(other))


@pytest.mark.parametrize("momentum", [0.0, 0.7, 1.0])
def test_update_center(momentum):
    _, teacher, center = make("dino")[0]
    expected = reference.update_center(center, teacher, momentum=momentum)
    update = jax.jit(losses.update_center, static_argnames="momentum")
    np.testing.assert_allclose(update(center, teacher, momentum=momentum), expected, atol=1e-6)
    default = reference.update_center(center, teacher)
    np.testing.assert_allclose(update(center, teacher), default, atol=1e-6)
    half = update(center, teacher.astype(jnp.bfloat16))
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, default, atol=1e-2)


def equal_to(values, expected):
    np.testing.assert_allclose(values, np.full(len(values), expected), rtol=1e-5, atol=1e-6)


def test_closed_forms_of_cosine_regression():
    f = jax.jit(losses.cosine_regression)
    z, _ = make("cosine_regression")[0]
    equal_to(f(z, 3 * z), 0)
    equal_to(f(z, -z), 4)
    equal_to(f(jnp.eye(N, 2 * N), jnp.eye(N, 2 * N, N)), 2)


def test_closed_forms_of_dino_and_cross_view():
    student, teacher, center = make("dino")[0]
    same = jnp.broadcast_to(center, teacher.shape)  # a teacher at the center gives uniform targets
    dino, cross_view = jax.jit(losses.dino), jax.jit(losses.cross_view)
    equal_to(dino(0 * student, teacher, center), np.log(K))
    equal_to(dino(jnp.broadcast_to(center, student.shape), same, 0 * center), dino_entropy(center))
    equal_to(cross_view(0 * student, probabilities(np.random.default_rng(0), G, N, K)), np.log(K))
    one_hot = jax.nn.one_hot(jnp.zeros((G, N), int), K)
    equal_to(cross_view(1e4 * one_hot[jnp.array([0, 0, 0])], one_hot), 0)

    uniform = losses.dino(student, same, center)
    expected = cross_view(student, jnp.full((G, N, K), 1 / K))
    np.testing.assert_allclose(uniform, expected, rtol=1e-5)


def dino_entropy(logits):
    """Returns dino with defaults where every view has these logits and the center is 0."""
    target = softmax(np.float64(logits) / 0.04)
    return cross_entropy(target, np.float64(logits) / 0.1)


def test_dino_is_cross_view_of_the_sharpened_teacher():
    student, teacher, center = make("dino")[0]
    targets = jax.nn.softmax((teacher - center) / 0.04)
    expected = losses.cross_view(student, targets, temperature=0.1)
    np.testing.assert_allclose(losses.dino(student, teacher, center), expected, rtol=1e-5)


def test_a_view_is_not_compared_with_itself():
    student, teacher, center = make("dino")[0]
    gradients = jax.jit(jax.grad(lambda s: losses.dino(s, teacher[:1], center).sum()))(student)
    np.testing.assert_array_equal(gradients[0], np.zeros((N, K)))
    assert np.abs(gradients[1:]).max(axis=(1, 2)).min() > 1e-3


def test_ibot_patch_scores_only_hidden_patches():
    (student, teacher, center, mask), numbers = make("ibot_patch")
    inputs = (0 * student, teacher, center, mask)
    values = value_and_gradients("ibot_patch")(inputs, numbers)[0]
    np.testing.assert_allclose(values, np.where(mask.any(1), np.log(K), 0), rtol=1e-5)

    values, (gradients, *_), _ = value_and_gradients("ibot_patch")(
        (student, teacher, center, mask), numbers
    )
    np.testing.assert_array_equal(np.abs(gradients).max(-1) > 0, mask)
    changed = [jnp.where(mask[..., None], x, 1e4) for x in (student, teacher)]
    again = value_and_gradients("ibot_patch")((*changed, center, mask), numbers)[0]
    np.testing.assert_array_equal(again, values)


@pytest.mark.parametrize("name", CASES)
def test_order_of_examples_does_not_matter(name):
    inputs, numbers = make(name)
    f = jax.jit(partial(getattr(losses, name), **numbers))
    values = f(*inputs)
    permutation = np.random.default_rng(1).permutation(len(values))
    axis = 1 if name in ("cross_view", "dino") else 0
    moved = [x if x.shape == (K,) else jnp.take(x, permutation, axis) for x in inputs]
    np.testing.assert_allclose(f(*moved), values[permutation], rtol=1e-5, atol=1e-6)


def test_cosine_regression_ignores_rotations_and_scales():
    inputs, _ = make("cosine_regression")
    f = jax.jit(losses.cosine_regression)
    rng = np.random.default_rng(1)
    equal = partial(np.testing.assert_allclose, desired=f(*inputs), rtol=1e-4, atol=1e-5)
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(K, K)))[0], jnp.float32)
    equal(f(*(x @ rotation for x in inputs)))
    scales = [jnp.asarray(rng.uniform(0.01, 100, (len(x), 1)), jnp.float32) for x in inputs]
    equal(f(*(x * s for x, s in zip(inputs, scales, strict=True))))


@pytest.mark.parametrize("name", SHARPENED)
def test_constants_added_to_logits_do_not_matter(name):
    inputs, numbers = make(name)
    f = jax.jit(partial(getattr(losses, name), **numbers))
    values = f(*inputs)
    student, teacher, *rest = inputs
    equal = partial(np.testing.assert_allclose, desired=values, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    equal(f(student + normal(rng, *student.shape[:2], 1), teacher, *rest))
    if name != "cross_view":
        center, *mask = rest
        equal(f(student, teacher + normal(rng, *teacher.shape[:2], 1), center, *mask))
        equal(f(student, teacher + 2, center + 1, *mask))
        shift = normal(rng, K)
        equal(f(student, teacher + shift, center + shift, *mask))


@pytest.mark.parametrize("name", SHARPENED)
def test_extreme_logits(name):
    numbers = dict.fromkeys(CASES[name][1], 0.01)
    for scale in (1e4, 0.0):
        inputs, _ = make(name, scale)
        values, gradients, temperatures = value_and_gradients(name)(inputs, numbers)
        expected = getattr(reference, name)(*inputs, **numbers)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=0.5)  # logits reach 1e6
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((gradients, temperatures)))


def test_extreme_lengths_of_cosine_regression():
    f, run = reference.cosine_regression, value_and_gradients("cosine_regression")
    (p, t), _ = make("cosine_regression")
    scaled = [make("cosine_regression", scale)[0] for scale in (1e20, 1e4, 1e-8)]
    for inputs in (*scaled, (0 * p, 0 * t), (p.at[2].set(0), t), (0 * p, t)):
        values, gradients, _ = run(list(inputs), {})
        np.testing.assert_allclose(values, f(*inputs), rtol=1e-5, atol=1e-5)
        assert all(np.isfinite(x).all() for x in gradients)


@pytest.mark.parametrize("name", CASES)
def test_one_example(name):
    axis = 1 if name in ("cross_view", "dino") else 0
    inputs, numbers = make(name)
    first = [x if x.shape == (K,) else jnp.take(x, jnp.array([0]), axis) for x in inputs]
    f = partial(getattr(losses, name), **numbers)
    np.testing.assert_allclose(jax.jit(f)(*first), f(*inputs)[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_is_computed_in_float32(name):
    inputs, _ = make(name)
    narrow = [x if x.dtype == bool else x.astype(jnp.bfloat16) for x in inputs]
    wide = [x if x.dtype == bool else x.astype(jnp.float32) for x in narrow]
    f = jax.jit(getattr(losses, name))
    values = f(*narrow)
    assert values.dtype == jnp.float32
    np.testing.assert_array_equal(values, f(*wide))
    gradients = jax.eval_shape(jax.grad(lambda x, *rest: f(x, *rest).mean()), *narrow)
    assert gradients.dtype == jnp.bfloat16


MISMATCHES = [  # shapes, and the indices of those in the message
    ("cosine_regression", [(4, 3), (5, 3)], (0, 1)),
    ("cosine_regression", [(4, 3), (4, 2)], (0, 1)),
    ("cosine_regression", [(4, 3), (4,)], (0, 1)),
    ("cross_view", [(3, 4, 5), (2, 4, 6)], (0, 1)),
    ("cross_view", [(3, 4, 5), (2, 7, 5)], (0, 1)),
    ("cross_view", [(3, 4, 5), (4, 5)], (0, 1)),
    ("cross_view", [(1, 4, 5), (2, 4, 5)], (0, 1)),
    ("dino", [(3, 4, 5), (2, 4, 6), (5,)], (0, 1)),
    ("dino", [(3, 4, 5), (2, 7, 5), (5,)], (0, 1)),
    ("dino", [(3, 4, 5), (2, 4, 5), (6,)], (2,)),
    ("update_center", [(5,), (2, 4, 6)], (0, 1)),
    ("update_center", [(5,), (4, 5)], (0, 1)),
    ("ibot_patch", [(4, 3, 5), (4, 2, 5), (5,), (4, 3)], (0, 1)),
    ("ibot_patch", [(4, 3, 5), (4, 3, 5), (6,), (4, 3)], (2,)),
    ("ibot_patch", [(4, 3, 5), (4, 3, 5), (5,), (4, 2)], (3,)),
]


@pytest.mark.parametrize(("name", "shapes", "named"), MISMATCHES)
def test_mismatched_shapes_are_rejected(name, shapes, named):
    f = inspect.unwrap(getattr(losses, name))  # without the type checks of the tests
    inputs = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    if name == "ibot_patch":
        inputs[-1] = jax.ShapeDtypeStruct(shapes[-1], "bool")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        jax.eval_shape(f, *inputs)
    for i in named:
        assert str(shapes[i]) in str(error.value)


@pytest.mark.parametrize("name", CASES)
def test_vmap_scan_and_checkpoint(name):
    batches = [make(name, seed=seed)[0] for seed in range(3)]
    assert_transformable(lambda *inputs: weigh(getattr(losses, name)(*inputs)), batches)
