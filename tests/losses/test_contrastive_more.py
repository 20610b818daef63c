"""Other contrastive losses: values, closed forms, invariances, gradients and blocks."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
    assert_agrees,
    assert_finite,
    assert_float32_inside,
    assert_refuses,
    assert_same,
    compiled,
    equal,
    evaluate,
    expected_of,
    normal,
    shaped,
)
from tests.references import contrastive_more as reference

COUPLED = {
    "decoupled_nt_xent": {"temperature": 0.2},
    "supcon": {"temperature": 0.2},
    "clip": {"logit_scale": 5.0},
    "sigmoid_pairwise": {"logit_scale": 5.0, "logit_bias": -2.0},
}
ALONE = {"queue_info_nce": {"temperature": 0.3}, "nce": {}, "triplet": {}}
BLOCKS = [None, 1, 3, 7, 100]  # of 7 rows, or 14
LABELS = (0, 1, 0, 2, 1, 0, 3)  # the 2 and the 3 are alone


# The losses of a whole batch, which can be computed in blocks.


def batch(name, n=7, d=8, seed=0, scale=1.0):
    if name == "supcon":
        return normal(n, d, seed=seed, scale=scale), jnp.array(LABELS[:n])
    return tuple(scale * normal(2, n, d, seed=seed))


def floats(name):
    return (0,) if name == "supcon" else (0, 1)


@cache
def expected_of_batch(name):
    options = {"wrt": floats(name), "numbers": COUPLED[name]}
    return expected_of(getattr(reference, name), batch(name), **options)


@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("name", COUPLED)
def test_value_and_gradients_are_the_references(name, block_size):
    options = {"wrt": floats(name), "numbers": COUPLED[name], "block_size": block_size}
    assert_same(evaluate(name, batch(name), **options), expected_of_batch(name))
    naive = evaluate(name, batch(name), **options | {"block_size": None})
    assert_same(evaluate(name, batch(name), **options), naive, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "option", "default"),
    [
        ("decoupled_nt_xent", "temperature", 0.1),
        ("supcon", "temperature", 0.1),
        ("queue_info_nce", "temperature", 0.2),
        ("triplet", "margin", 1.0),
    ],
)
def test_defaults(name, option, default):
    assert inspect.signature(getattr(losses, name)).parameters[option].default == default


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms(block_size):
    n, t = 7, 0.5

    def run(name, *inputs, **numbers):
        options = {"wrt": floats(name), "numbers": numbers, "block_size": block_size}
        return evaluate(name, inputs, **options)[0]

    same, orthonormal = jnp.ones((n, n + 1)), jnp.eye(n, n + 1)
    decoupled = partial(run, "decoupled_nt_xent", temperature=t)
    equal(decoupled(same, same), np.full(2 * n, np.log(2 * n - 2)))
    equal(decoupled(orthonormal, orthonormal), np.full(2 * n, np.log(2 * n - 2) - 1 / t))

    supcon = partial(run, "supcon", temperature=t)
    equal(supcon(same, jnp.zeros(n, int)), np.full(n, np.log(n - 1)))
    equal(supcon(same, jnp.arange(n)), np.zeros(n))
    pairs = jnp.array([0, 0, 1, 1, 2, 2, 3])  # and one alone
    expected = np.full(n, np.log(1 + (n - 2) * np.exp(-1 / t)))
    expected[-1] = 0
    equal(supcon(orthonormal[pairs], pairs), expected)

    clip = partial(run, "clip", logit_scale=1 / t)
    equal(clip(same, same), np.full(n, np.log(n)))
    equal(clip(orthonormal, orthonormal), np.full(n, np.log(1 + (n - 1) * np.exp(-1 / t))))

    b, softplus = -1.5, reference.softplus
    pairwise = partial(run, "sigmoid_pairwise", logit_scale=1 / t, logit_bias=b)
    expected = softplus(-1 / t - b) + (n - 1) * softplus(b)
    equal(pairwise(orthonormal, orthonormal), np.full(n, expected))
    expected = softplus(-1 / t - b) + (n - 1) * softplus(1 / t + b)
    equal(pairwise(same, same), np.full(n, expected))


def test_how_the_losses_are_related():
    z1, z2 = batch("clip")
    t = 0.3

    def run(name, *inputs, **numbers):
        return evaluate(name, inputs, wrt=floats(name), numbers=numbers)[0]

    decoupled = run("decoupled_nt_xent", z1, z2, temperature=t)
    coupled = run("nt_xent", z1, z2, temperature=t)  # -log(p / (p + rest)) = log(1 + rest / p)
    equal(coupled, np.log1p(np.exp(decoupled)), rtol=1e-4)

    labels = jnp.tile(jnp.arange(7), 2)
    equal(run("supcon", jnp.concatenate([z1, z2]), labels, temperature=t), coupled, rtol=1e-4)

    to_z2, to_z1 = run("info_nce", z1, z2, temperature=t), run("info_nce", z2, z1, temperature=t)
    equal(run("clip", z1, z2, logit_scale=1 / t), (to_z1 + to_z2) / 2, rtol=1e-4)

    options = {"wrt": (0,), "numbers": {"temperature": t}}
    queued = [  # by the other keys
        evaluate("queue_info_nce", (z1[i : i + 1], z2[i : i + 1], np.delete(z2, i, 0)), **options)[
            0
        ]
        for i in range(7)
    ]
    equal(np.concatenate(queued), to_z2, rtol=1e-4)


@pytest.mark.parametrize("block_size", [None, 3])
def test_one_example(block_size):
    def run(name):
        inputs = batch(name, n=1)
        options = {"wrt": floats(name), "numbers": COUPLED[name], "block_size": block_size}
        return inputs, evaluate(name, inputs, **options)

    for name in ("supcon", "clip"):  # nothing to tell apart
        for x in jax.tree.leaves(run(name)[1]):
            equal(x, np.zeros_like(x))
    inputs, outputs = run("sigmoid_pairwise")
    options = {"wrt": (0, 1), "numbers": COUPLED["sigmoid_pairwise"]}
    assert_same(outputs, expected_of(reference.sigmoid_pairwise, inputs, **options))


@pytest.mark.parametrize("name", COUPLED)
def test_invariances(name):
    inputs, indices = batch(name), floats(name)

    def f(*inputs):
        return evaluate(name, inputs, wrt=indices, numbers=COUPLED[name])[0]

    def changed(g):
        return f(*(g(x) if i in indices else x for i, x in enumerate(inputs)))

    values = f(*inputs)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(8, 8)))[0], jnp.float32)
    close(changed(lambda z: z @ rotation), values)
    scales = jnp.asarray(rng.uniform(0.01, 100, (7, 1)), jnp.float32)
    close(changed(lambda z: z * scales), values)
    order = rng.permutation(7)
    close(f(*(x[order] for x in inputs)), values.reshape(-1, 7)[:, order].reshape(-1))

    if name == "supcon":  # what the labels are called
        close(f(inputs[0], 10 - 3 * inputs[1]), values)
    if name == "decoupled_nt_xent":
        close(f(*inputs[::-1]), jnp.roll(values, 7))
    if name == "clip":
        close(f(*inputs[::-1]), values)
    if name == "sigmoid_pairwise":
        close(f(*inputs[::-1]).sum(), values.sum())


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", COUPLED)
def test_extreme_inputs(name, block_size):
    hard = {"temperature": 0.01, "logit_scale": 100.0, "logit_bias": -10.0}
    harder = {"temperature": 1e-4, "logit_scale": 1e4, "logit_bias": -1e4}
    options = {"wrt": floats(name), "block_size": block_size}
    check = partial(assert_finite, name, getattr(reference, name), **options)
    for scale in (1e20, 1e4, 1e-8):
        check(
            batch(name, scale=scale), numbers={key: hard[key] for key in COUPLED[name]}, atol=1e-3
        )
    check(batch(name), numbers={key: harder[key] for key in COUPLED[name]}, atol=2e-2)

    first, second = batch(name)
    zeros = [(first.at[2].set(0), second), (0 * first, second)]
    if name != "supcon":
        zeros += [(first.at[2].set(0), second.at[2].set(0)), (0 * first, 0 * second)]
    for inputs in zeros:
        check(inputs, numbers=COUPLED[name])


@pytest.mark.parametrize(
    ("name", "block_size"), list(zip(COUPLED, [None, 3, 3, None], strict=True))
)
def test_bfloat16_is_computed_in_float32(name, block_size):
    options = {"wrt": floats(name), "numbers": COUPLED[name], "block_size": block_size}
    assert_float32_inside(name, batch(name), **options)


@pytest.mark.parametrize("name", COUPLED)
def test_shapes_that_differ_are_refused_by_name(name):
    options = COUPLED[name]
    if name == "supcon":
        for labels in ((5,), (4, 3)):
            assert_refuses(name, [shaped((4, 3)), shaped(labels, "int32")], 1, **options)
        return
    for other in ((5, 3), (4, 2), (4,)):
        assert_refuses(name, [shaped((4, 3)), shaped(other)], 1, **options)


@pytest.mark.parametrize("name", COUPLED)
def test_blocks_need_less_memory(name):
    """A matrix of 512 by 512 takes 1 MB, blocks of 16 rows or columns of it a thirty-second."""
    z = shaped((512, 4))
    inputs = (z, shaped((512,), "int32")) if name == "supcon" else (z, z)

    run = compiled(name, floats(name), (("block_size", 16),))
    compilation = run.lower(COUPLED[name], *inputs).compile()
    assert compilation.memory_analysis().temp_size_in_bytes < 2**19


# The losses of an example by itself.


def rows(name, n=6, seed=0, scale=1.0):
    d, m = 10, 4
    if name == "queue_info_nce":
        queries, keys = normal(2, n, d, seed=seed, scale=scale)
        return queries, keys, normal(m, d, seed=seed + 1, scale=scale)
    if name == "triplet":
        return tuple(normal(3, n, d, seed=seed, scale=scale))
    scores, log_q = normal(2, n, m + 1, seed=seed, scale=scale)
    return scores[:, 0], scores[:, 1:], log_q[:, 0], log_q[:, 1:]


WRT = {"queue_info_nce": (0,), "nce": (0, 1, 2, 3), "triplet": (0, 1, 2)}


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("name", ALONE)
def test_value_and_gradients_of_rows_are_the_references(name, n):
    options = {"wrt": WRT[name], "numbers": ALONE[name]}
    assert_agrees(name, getattr(reference, name), rows(name, n), **options)


@pytest.mark.parametrize("name", ALONE)
def test_rows_do_not_depend_on_each_other(name):
    def f(*inputs):
        return evaluate(name, inputs, wrt=WRT[name], numbers=ALONE[name])[0]

    inputs, others = rows(name), rows(name, seed=9)
    mixed = [
        x.at[:2].set(y[:2]) if name != "queue_info_nce" or i < 2 else x
        for i, (x, y) in enumerate(zip(inputs, others, strict=True))
    ]
    equal(f(*mixed)[2:], f(*inputs)[2:])
    assert (abs(f(*mixed)[:2] - f(*inputs)[:2]) > 1e-3).any()


def test_keys_and_queue_get_no_gradient():
    inputs, numbers = rows("queue_info_nce"), ALONE["queue_info_nce"]
    _, (_, *gradients) = evaluate("queue_info_nce", inputs, wrt=(0, 1, 2), numbers=numbers)
    assert abs(gradients[0]).max() > 1e-3
    for g in gradients[1:]:
        np.testing.assert_array_equal(g, np.zeros_like(g))


def test_closed_forms_of_rows():
    n, k, t = 6, 4, 0.5

    def run(name, *inputs, **numbers):
        return evaluate(name, inputs, wrt=WRT[name], numbers=numbers)[0]

    queue_info_nce = partial(run, "queue_info_nce", temperature=t)
    same = jnp.ones((n, 10))
    equal(queue_info_nce(same, same, same[:k]), np.full(n, np.log(1 + k)))
    a, b = jnp.eye(n, 10), jnp.eye(10)[n:]  # the queue is orthogonal to the query
    equal(queue_info_nce(a, a, b), np.full(n, np.log(1 + k * np.exp(-1 / t))))
    queries, keys, queue = rows("queue_info_nce")
    expected = queue_info_nce(queries, keys, queue)
    equal(queue_info_nce(3 * queries, 0.1 * keys, queue[::-1] * 7), expected)

    nce = partial(run, "nce")
    data, noise, data_log_q, noise_log_q = rows("nce")
    expected = np.log(1 + k) + k * np.log((1 + k) / k)  # the model is the noise
    equal(nce(data, noise, data, noise), np.full(n, expected))
    expected = nce(data, noise, data_log_q, noise_log_q)
    equal(nce(data + 3, noise + 3, data_log_q + 3, noise_log_q + 3), expected)
    equal(nce(data, noise[:, ::-1], data_log_q, noise_log_q[:, ::-1]), expected)

    triplet = partial(run, "triplet")
    anchors, positives, negatives = rows("triplet")
    equal(triplet(anchors, anchors, anchors), np.ones(n))
    origin = jnp.zeros((n, 10))
    three, four = origin.at[:, 0].set(3), origin.at[:, 5].set(4)
    equal(triplet(origin, three, four), np.zeros(n))
    equal(triplet(origin, four, three), np.full(n, 2))
    equal(losses.triplet(origin, three, four, margin=1.5), np.full(n, 0.5))
    values = triplet(anchors, positives, negatives)
    equal(triplet(anchors + 1, positives + 1, negatives + 1), values, atol=1e-5)
    scaled = losses.triplet(9 * anchors, 9 * positives, 9 * negatives, margin=9.0)
    equal(scaled, 9 * values, atol=1e-5)


def test_extreme_rows():
    for scale in (1e20, 1e4, 1e-8):
        inputs = rows("queue_info_nce", scale=scale)
        options = {"wrt": (0,), "numbers": {"temperature": 0.01}, "atol": 1e-3}
        assert_finite("queue_info_nce", reference.queue_info_nce, inputs, **options)
    queries, keys, queue = rows("queue_info_nce")
    for zeros in ((0 * queries, keys, queue), (queries, 0 * keys, 0 * queue)):
        assert_finite("queue_info_nce", reference.queue_info_nce, zeros, wrt=(0,))

    assert_finite("nce", reference.nce, rows("nce", scale=1e4), wrt=WRT["nce"])
    for scale in (1e4, 1e-8, 0):
        inputs = rows("triplet", scale=scale)
        assert_finite("triplet", reference.triplet, inputs, wrt=WRT["triplet"], atol=1e-2)
    a, p, n = rows("triplet")
    for inputs in ((a, a, n), (a, p, a), (a, a, a)):  # a distance of 0 has no slope
        assert_finite("triplet", reference.triplet, inputs, wrt=WRT["triplet"])


@pytest.mark.parametrize("name", ALONE)
def test_bfloat16_rows_are_computed_in_float32(name):
    assert_float32_inside(name, rows(name), wrt=WRT[name], numbers=ALONE[name])


@pytest.mark.parametrize(
    ("name", "shapes", "wrong"),
    [
        ("queue_info_nce", [(4, 3), (5, 3), (6, 3)], 1),
        ("queue_info_nce", [(4, 3), (4, 2), (6, 3)], 1),
        ("queue_info_nce", [(4, 3), (4, 3), (6, 2)], 2),
        ("queue_info_nce", [(4, 3), (4, 3), (3,)], 2),
        ("nce", [(4,), (5, 2), (4,), (5, 2)], 1),
        ("nce", [(4,), (4, 2), (5,), (4, 2)], 2),
        ("nce", [(4,), (4, 2), (4,), (4, 3)], 3),
        ("triplet", [(4, 3), (5, 3), (4, 3)], 1),
        ("triplet", [(4, 3), (4, 3), (4, 2)], 2),
    ],
)
def test_shapes_of_rows_that_differ_are_refused_by_name(name, shapes, wrong):
    assert_refuses(name, [shaped(shape) for shape in shapes], wrong)
