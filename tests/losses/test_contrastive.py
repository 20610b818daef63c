"""Contrastive losses: values, closed forms, invariances, gradients and blocks."""

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
    assert_memory_is_linear,
    assert_rejects,
    assert_same,
    compiled,
    defaults,
    equal,
    evaluate,
    expected_of,
    normal,
    shaped,
)
from tests.references import contrastive as reference

TEMPERATURES = {  # of the losses that compare all examples of a batch and support blocks
    "info_nce": (0.2, 1.0),
    "nt_xent": (0.2, 1.0),
    "decoupled_nt_xent": (0.2,),
    "moco_v3": (0.3,),
    "mil_nce": (0.2,),
    "supcon": (0.2,),
}
DEFAULT_TEMPERATURES = {
    "info_nce": 0.1,
    "nt_xent": 0.5,
    "decoupled_nt_xent": 0.1,
    "moco_v3": 0.2,
    "mil_nce": 0.1,
    "supcon": 0.1,
}
BLOCKS = [None, 1, 3, 7, 100]  # of 7 rows, or 14
LABELS = (0, 1, 0, 2, 1, 0, 3)  # labels 2 and 3 have one example each


def batch(name, n=7, seed=0, scale=1.0):
    if name == "supcon":
        return normal(n, 5, seed=seed, scale=scale), jnp.array(LABELS[:n])
    if name == "mil_nce":
        return normal(n, 5, seed=seed, scale=scale), normal(n, 3, 5, seed=seed + 100, scale=scale)
    return tuple(normal(4 if name == "moco_v3" else 2, n, 5, seed=seed, scale=scale))


def floats(name):
    """Returns the indices of the inputs that gradients reach."""
    return (0,) if name == "supcon" else (0, 1)


def run(name, *inputs, temperature=None, block_size=None):
    return outputs(name, inputs, temperature, block_size)[0]


def outputs(name, inputs, temperature=None, block_size=None):
    """Returns values and gradients."""
    numbers = {"temperature": temperature or TEMPERATURES[name][0]}
    return evaluate(name, inputs, wrt=floats(name), numbers=numbers, block_size=block_size)


@cache
def reference_outputs(name, n, temperature):
    numbers = {"temperature": temperature}
    return expected_of(getattr(reference, name), batch(name, n), wrt=floats(name), numbers=numbers)


@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("name", TEMPERATURES)
def test_values_and_gradients_match_the_reference(name, block_size):
    for temperature in TEMPERATURES[name]:
        actual = outputs(name, batch(name), temperature, block_size)
        assert_same(actual, reference_outputs(name, 7, temperature))
        at_once = outputs(name, batch(name), temperature)
        assert_same(actual, at_once, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("block_size", [None, 1, 3, 100])
@pytest.mark.parametrize("name", ["mil_nce", "moco_v3"])
def test_two_examples(name, block_size):
    (temperature,) = TEMPERATURES[name]
    actual = outputs(name, batch(name, 2), temperature, block_size)
    assert_same(actual, reference_outputs(name, 2, temperature))


@pytest.mark.parametrize("name", TEMPERATURES)
def test_defaults(name):
    temperature = DEFAULT_TEMPERATURES[name]
    options = {"temperature": temperature, "axis_name": None, "block_size": None}
    assert defaults(name) == options
    values = getattr(losses, name)(*batch(name))
    np.testing.assert_allclose(values, getattr(reference, name)(*batch(name)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms(block_size):
    n, t = 7, 0.5
    options = {"temperature": t, "block_size": block_size}
    same = jnp.ones((n, n + 1))
    orthonormal = jnp.eye(n, n + 1)  # the positive has cosine 1, all negatives have 0

    info_nce, nt_xent, decoupled, supcon = (
        partial(run, name, **options)
        for name in ("info_nce", "nt_xent", "decoupled_nt_xent", "supcon")
    )
    equal(info_nce(same, same), np.full(n, np.log(n)))
    equal(nt_xent(same, same), np.full(2 * n, np.log(2 * n - 1)))
    equal(decoupled(same, same), np.full(2 * n, np.log(2 * n - 2)))

    equal(info_nce(orthonormal, orthonormal), np.full(n, np.log(1 + (n - 1) * np.exp(-1 / t))))
    values = nt_xent(orthonormal, orthonormal)
    equal(values, np.full(2 * n, np.log(1 + (2 * n - 2) * np.exp(-1 / t))))
    values = decoupled(orthonormal, orthonormal)
    equal(values, np.full(2 * n, np.log(2 * n - 2) - 1 / t))

    a, b = jnp.eye(2 * n)[:n], jnp.eye(2 * n)[n:]  # all pairs are orthogonal
    equal(info_nce(a, b), np.full(n, np.log(n)))
    equal(nt_xent(a, b), np.full(2 * n, np.log(2 * n - 1)))

    equal(supcon(same, jnp.zeros(n, int)), np.full(n, np.log(n - 1)))
    equal(supcon(same, jnp.arange(n)), np.zeros(n))
    pairs = jnp.array([0, 0, 1, 1, 2, 2, 3])  # the last one has no positive
    expected = np.full(n, np.log(1 + (n - 2) * np.exp(-1 / t)))
    expected[-1] = 0
    equal(supcon(orthonormal[pairs], pairs), expected)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms_of_mil_nce_and_moco_v3(block_size):
    n, p, t = 7, 3, 0.5
    options = {"temperature": t, "block_size": block_size}
    same, orthonormal = jnp.ones((n, n + 1)), jnp.eye(n, n + 1)
    apart = np.log(1 + (n - 1) * np.exp(-1 / t))  # the positive has cosine 1, all negatives have 0

    def several(keys):
        return jnp.tile(keys[:, None], (1, p, 1))

    mil_nce = partial(run, "mil_nce", **options)
    equal(mil_nce(same, several(same)), np.full(n, np.log(n)))
    equal(mil_nce(orthonormal, several(orthonormal)), np.full(n, apart))
    keys = several(jnp.zeros((n, n + 1)).at[:, -1].set(1))  # orthogonal to all queries
    keys = keys.at[:, 1].set(orthonormal)  # except one positive per query
    expected = np.log(1 + (n - 1) * p / (np.exp(1 / t) + p - 1))
    equal(mil_nce(orthonormal, keys), np.full(n, expected))

    moco_v3 = partial(run, "moco_v3", **options)
    equal(moco_v3(same, same, same, same), np.full(n, 4 * t * np.log(n)))
    equal(moco_v3(*[orthonormal] * 4), np.full(n, 4 * t * apart))
    rolled = jnp.roll(orthonormal, 1, axis=0)  # each view matches the keys of the other view only
    equal(moco_v3(orthonormal, rolled, rolled, orthonormal), np.full(n, 4 * t * apart))
    expected = 4 * t * (apart + 1 / t)
    equal(moco_v3(orthonormal, rolled, orthonormal, rolled), np.full(n, expected))


def test_how_the_losses_are_related():
    z1, z2 = batch("nt_xent")
    t = 0.3
    coupled = run("nt_xent", z1, z2, temperature=t)
    decoupled = run("decoupled_nt_xent", z1, z2, temperature=t)
    # -log(p / (p + rest)) = log(1 + rest / p)
    equal(coupled, np.log1p(np.exp(decoupled)), rtol=1e-4)

    labels = jnp.tile(jnp.arange(7), 2)
    views = jnp.concatenate([z1, z2])
    equal(run("supcon", views, labels, temperature=t), coupled, rtol=1e-4)

    queued = [  # the queue holds the other keys
        queue_info_nce(z1[i : i + 1], z2[i : i + 1], np.delete(z2, i, 0), temperature=t)
        for i in range(7)
    ]
    equal(np.concatenate(queued), run("info_nce", z1, z2, temperature=t), rtol=1e-4)


@pytest.mark.parametrize("block_size", [None, 3])
def test_mil_nce_and_moco_v3_reduce_to_info_nce(block_size):
    t = 0.3
    info_nce = partial(run, "info_nce", temperature=t)
    options = {"temperature": t, "block_size": block_size}

    queries, keys = batch("mil_nce")
    expected = info_nce(queries, keys[:, 0])
    equal(run("mil_nce", queries, keys[:, :1], **options), expected, rtol=1e-4)
    repeated = jnp.repeat(keys[:, :1], 4, axis=1)
    equal(run("mil_nce", queries, repeated, **options), expected, rtol=1e-4)

    q1, q2, k1, k2 = batch("moco_v3")
    expected = 2 * t * (info_nce(q1, k2) + info_nce(q2, k1))
    equal(run("moco_v3", q1, q2, k1, k2, **options), expected, rtol=1e-4)
    equal(run("moco_v3", q2, q1, k2, k1, **options), expected, rtol=1e-4)


@pytest.mark.parametrize("block_size", [None, 1, 3])
@pytest.mark.parametrize("name", [name for name in TEMPERATURES if name != "decoupled_nt_xent"])
def test_one_example_has_no_negatives(name, block_size):
    for x in jax.tree.leaves(outputs(name, batch(name, n=1), 0.5, block_size)):
        equal(x, np.zeros_like(x))


@pytest.mark.parametrize("block_size", [None, 3])
def test_keys_of_moco_v3_get_no_gradient(block_size):
    options = {"wrt": (0, 1, 2, 3), "numbers": {"temperature": 0.3}, "block_size": block_size}
    _, (_, *gradients) = evaluate("moco_v3", batch("moco_v3"), **options)
    for g in gradients[:2]:
        assert abs(g).max() > 1e-2
    for g in gradients[2:]:
        np.testing.assert_array_equal(g, np.zeros_like(g))


@pytest.mark.parametrize("name", TEMPERATURES)
def test_invariances(name):
    inputs = batch(name)
    values = run(name, *inputs)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    order = rng.permutation(7)
    reordered = values.reshape(-1, 7)[:, order].reshape(-1)
    close(run(name, *(x[order] for x in inputs)), reordered)

    vectors = inputs[:1] if name == "supcon" else inputs
    others = inputs[len(vectors) :]
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(5, 5)))[0], jnp.float32)
    close(run(name, *(z @ rotation for z in vectors), *others), values)
    scales = [rng.uniform(0.01, 100, (*z.shape[:-1], 1)).astype(np.float32) for z in vectors]
    close(run(name, *(s * z for s, z in zip(scales, vectors, strict=True)), *others), values)


@pytest.mark.parametrize("name", ["nt_xent", "decoupled_nt_xent"])
def test_swapping_the_views_swaps_the_halves(name):
    z1, z2 = batch(name)
    equal(run(name, z2, z1), jnp.roll(run(name, z1, z2), len(z1)), rtol=1e-4)


def test_supcon_ignores_the_values_of_labels():
    z, labels = batch("supcon")
    equal(run("supcon", z, 10 - 3 * labels), run("supcon", z, labels), rtol=1e-4)


def test_mil_nce_ignores_the_order_of_positives():
    queries, keys = batch("mil_nce")
    order = np.argsort(np.random.default_rng(1).random((7, 3)))
    moved = jnp.take_along_axis(keys, order[..., None], axis=1)
    equal(run("mil_nce", queries, moved), run("mil_nce", queries, keys), rtol=1e-4)


@pytest.mark.parametrize("name", ["info_nce", "mil_nce"])
def test_only_keys_are_negatives(name):
    queries, keys = batch(name)
    values = run(name, queries, keys)
    changed = run(name, queries.at[0].set(-queries[0]), keys)
    equal(changed[1:], values[1:])
    changed = run(name, queries, keys.at[0, 1].set(-keys[0, 1]))
    assert (abs(changed - values) > 1e-4).all()


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", TEMPERATURES)
def test_extreme_inputs(name, block_size):
    f = getattr(reference, name)
    check = partial(assert_finite, name, f, wrt=floats(name), block_size=block_size)
    for scale in (1e20, 1e4, 1e-8):
        check(batch(name, scale=scale), numbers={"temperature": 0.01}, atol=1e-3)
    check(batch(name), numbers={"temperature": 1e-4}, atol=2e-2)

    inputs = batch(name)
    vectors = inputs[:1] if name == "supcon" else inputs
    others = inputs[len(vectors) :]
    numbers = {"temperature": TEMPERATURES[name][0]}
    for i, z in enumerate(vectors):
        for zero in (z.at[2].set(0), z.at[2, 1].set(0), 0 * z):
            check((*vectors[:i], zero, *vectors[i + 1 :], *others), numbers=numbers)
    check((*(z.at[2].set(0) for z in vectors), *others), numbers=numbers)
    check((*(0 * z for z in vectors), *others), numbers=numbers)


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", TEMPERATURES)
def test_bfloat16_is_computed_in_float32(name, block_size):
    options = {"wrt": floats(name), "numbers": {"temperature": 0.2}, "block_size": block_size}
    assert_float32_inside(name, batch(name), **options)


TWO_VIEWS = [((4, 3), (5, 3)), ((4, 3), (4, 2)), ((4, 3), (4,))]


@pytest.mark.parametrize(
    ("name", "shapes", "wrong"),
    [
        *[(name, s, 1) for name in ("info_nce", "nt_xent", "decoupled_nt_xent") for s in TWO_VIEWS],
        ("moco_v3", [(4, 3), (5, 3), (4, 3), (4, 3)], 1),
        ("moco_v3", [(4, 3), (4, 2), (4, 3), (4, 2)], 1),
        ("moco_v3", [(4, 3), (4, 3), (5, 3), (4, 3)], 2),
        ("moco_v3", [(4, 3), (4, 3), (4, 3), (4, 2)], 3),
        ("moco_v3", [(4, 3), (4, 3), (4, 3), (4,)], 3),
        ("mil_nce", [(4, 3), (5, 2, 3)], 1),
        ("mil_nce", [(4, 3), (4, 2, 5)], 1),
        ("mil_nce", [(4, 3), (4, 3)], 1),
        ("mil_nce", [(4,), (4, 2, 3)], 0),
        ("supcon", [(4, 3), (5,)], 1),
        ("supcon", [(4, 3), (4, 3)], 1),
        ("queue_info_nce", [(4, 3), (5, 3), (6, 3)], 1),
        ("queue_info_nce", [(4, 3), (4, 2), (6, 3)], 1),
        ("queue_info_nce", [(4, 3), (4, 3), (6, 2)], 2),
        ("queue_info_nce", [(4, 3), (4, 3), (3,)], 2),
    ],
)
def test_mismatched_shapes_are_rejected(name, shapes, wrong):
    inputs = [shaped(shape) for shape in shapes]
    if name == "supcon":
        inputs[1] = shaped(shapes[1], "int32")
    assert_rejects(name, inputs, wrong)


@pytest.mark.parametrize("name", TEMPERATURES)
def test_blocks_need_less_memory(name):
    """A 512 x 512 matrix takes 1 MB; blocks of 16 rows or columns take a thirty-second of it."""
    z = shaped((512, 4))
    seconds = {"supcon": shaped((512,), "int32"), "mil_nce": shaped((512, 2, 4))}
    inputs = (z,) * 4 if name == "moco_v3" else (z, seconds.get(name, z))

    def temporaries(*options):
        run = compiled(name, floats(name), options)
        compilation = run.lower({"temperature": 0.2}, *inputs).compile()
        return compilation.memory_analysis().temp_size_in_bytes

    assert temporaries() > 2**20
    assert temporaries(("block_size", 16)) < 2**19


@pytest.mark.parametrize("name", ["info_nce", "nt_xent"])
def test_memory_in_blocks_is_linear(name):
    assert_memory_is_linear(name)


# The loss with a queue compares no examples of a batch with each other.

QUEUE = {"wrt": (0,), "numbers": {"temperature": 0.3}}


def queue_info_nce(queries, keys, queue, temperature=0.3):
    options = {"wrt": (0,), "numbers": {"temperature": temperature}}
    return evaluate("queue_info_nce", (queries, keys, queue), **options)[0]


def queries_keys_and_queue(n=6, seed=0, scale=1.0):
    queries, keys = normal(2, n, 10, seed=seed, scale=scale)
    return queries, keys, normal(4, 10, seed=seed + 1, scale=scale)


@pytest.mark.parametrize("n", [1, 6])
def test_queue_info_nce_matches_the_reference(n):
    assert_agrees("queue_info_nce", reference.queue_info_nce, queries_keys_and_queue(n), **QUEUE)


def test_defaults_of_queue_info_nce():
    assert defaults("queue_info_nce") == {"temperature": 0.2}
    inputs = queries_keys_and_queue()
    equal(losses.queue_info_nce(*inputs), reference.queue_info_nce(*inputs))


def test_queries_do_not_depend_on_each_other():
    queries, keys, queue = queries_keys_and_queue()
    others, other_keys, _ = queries_keys_and_queue(seed=9)
    values = queue_info_nce(queries, keys, queue)
    mixed = queries.at[:2].set(others[:2]), keys.at[:2].set(other_keys[:2])
    changed = queue_info_nce(*mixed, queue)
    equal(changed[2:], values[2:])
    assert (abs(changed[:2] - values[:2]) > 1e-3).any()


def test_keys_and_queue_get_no_gradient():
    inputs = queries_keys_and_queue()
    _, (_, *gradients) = evaluate("queue_info_nce", inputs, **QUEUE | {"wrt": (0, 1, 2)})
    assert abs(gradients[0]).max() > 1e-3
    for g in gradients[1:]:
        np.testing.assert_array_equal(g, np.zeros_like(g))


def test_closed_forms_of_queue_info_nce():
    n, k, t = 6, 4, 0.5
    f = partial(queue_info_nce, temperature=t)
    same = jnp.ones((n, 10))
    equal(f(same, same, same[:k]), np.full(n, np.log(1 + k)))
    a, b = jnp.eye(n, 10), jnp.eye(10)[n:]  # the queue is orthogonal to the query
    equal(f(a, a, b), np.full(n, np.log(1 + k * np.exp(-1 / t))))
    queries, keys, queue = queries_keys_and_queue()
    equal(f(3 * queries, 0.1 * keys, queue[::-1] * 7), f(queries, keys, queue))


def test_extreme_inputs_of_queue_info_nce():
    check = partial(assert_finite, "queue_info_nce", reference.queue_info_nce, wrt=(0,))
    for scale in (1e20, 1e4, 1e-8):
        inputs = queries_keys_and_queue(scale=scale)
        check(inputs, numbers={"temperature": 0.01}, atol=1e-3)
    queries, keys, queue = queries_keys_and_queue()
    for inputs in ((0 * queries, keys, queue), (queries, 0 * keys, 0 * queue)):
        check(inputs)


def test_bfloat16_with_a_queue_is_computed_in_float32():
    assert_float32_inside("queue_info_nce", queries_keys_and_queue(), **QUEUE)
