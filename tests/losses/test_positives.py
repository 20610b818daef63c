"""MIL-NCE and MoCo v3: values, closed forms, invariances, gradients and blocks."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import losses
from tests.losses.checks import (
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
from tests.references import positives as reference

CASES = {"mil_nce": {"temperature": 0.2}, "moco_v3": {"temperature": 0.3}}
BLOCKS = [None, 1, 3, 100]  # of 7 rows
WRT = (0, 1)  # the queries, and the keys of mil_nce


def batch(name, n=7, seed=0, scale=1.0):
    if name == "mil_nce":
        return normal(n, 5, seed=seed, scale=scale), normal(n, 3, 5, seed=seed + 100, scale=scale)
    return tuple(normal(4, n, 5, seed=seed, scale=scale))


def run(name, *inputs, block_size=None, **numbers):
    options = {"wrt": WRT, "numbers": numbers or CASES[name], "block_size": block_size}
    return evaluate(name, inputs, **options)[0]


@cache
def expected_of_batch(name, n):
    options = {"wrt": WRT, "numbers": CASES[name]}
    return expected_of(getattr(reference, name), batch(name, n), **options)


@pytest.mark.parametrize("n", [2, 7])
@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients_are_the_references(name, block_size, n):
    options = {"wrt": WRT, "numbers": CASES[name], "block_size": block_size}
    assert_same(evaluate(name, batch(name, n), **options), expected_of_batch(name, n))


@pytest.mark.parametrize(("name", "temperature"), [("mil_nce", 0.1), ("moco_v3", 0.2)])
def test_defaults(name, temperature):
    f = getattr(losses, name)
    parameters = inspect.signature(f).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert defaults == {"temperature": temperature, "axis_name": None, "block_size": None}
    expected = getattr(reference, name)(*batch(name))
    np.testing.assert_allclose(f(*batch(name)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms(block_size):
    n, p, t = 7, 3, 0.5
    options = {"temperature": t, "block_size": block_size}
    same, orthonormal = jnp.ones((n, n + 1)), jnp.eye(n, n + 1)
    apart = np.log(1 + (n - 1) * np.exp(-1 / t))  # a cosine of 1 and the others 0

    def several(keys):
        return jnp.tile(keys[:, None], (1, p, 1))

    mil_nce = partial(run, "mil_nce", **options)
    equal(mil_nce(same, several(same)), np.full(n, np.log(n)))
    equal(mil_nce(orthonormal, several(orthonormal)), np.full(n, apart))
    keys = several(jnp.zeros((n, n + 1)).at[:, -1].set(1))  # orthogonal to every query,
    keys = keys.at[:, 1].set(orthonormal)  # all but one of each p
    expected = np.log(1 + (n - 1) * p / (np.exp(1 / t) + p - 1))
    equal(mil_nce(orthonormal, keys), np.full(n, expected))

    moco_v3 = partial(run, "moco_v3", **options)
    equal(moco_v3(same, same, same, same), np.full(n, 4 * t * np.log(n)))
    equal(moco_v3(*[orthonormal] * 4), np.full(n, 4 * t * apart))
    rolled = jnp.roll(orthonormal, 1, axis=0)  # of each view, so that only the other's keys fit
    equal(moco_v3(orthonormal, rolled, rolled, orthonormal), np.full(n, 4 * t * apart))
    expected = 4 * t * (apart + 1 / t)
    equal(moco_v3(orthonormal, rolled, orthonormal, rolled), np.full(n, expected))


@pytest.mark.parametrize("block_size", [None, 3])
def test_how_they_are_related_to_info_nce(block_size):
    t = 0.3
    queries, keys = batch("mil_nce")
    options = {"temperature": t, "block_size": block_size}

    def info_nce(*inputs):
        return evaluate("info_nce", inputs, wrt=WRT, numbers={"temperature": t})[0]

    expected = info_nce(queries, keys[:, 0])
    equal(run("mil_nce", queries, keys[:, :1], **options), expected, rtol=1e-4)
    repeated = jnp.repeat(keys[:, :1], 4, axis=1)
    equal(run("mil_nce", queries, repeated, **options), expected, rtol=1e-4)

    q1, q2, k1, k2 = batch("moco_v3")
    expected = 2 * t * (info_nce(q1, k2) + info_nce(q2, k1))
    equal(run("moco_v3", q1, q2, k1, k2, **options), expected, rtol=1e-4)
    equal(run("moco_v3", q2, q1, k2, k1, **options), expected, rtol=1e-4)


@pytest.mark.parametrize("block_size", [None, 1, 3])
@pytest.mark.parametrize("name", CASES)
def test_one_example_has_no_negatives(name, block_size):
    options = {"wrt": WRT, "numbers": {"temperature": 0.5}, "block_size": block_size}
    for x in jax.tree.leaves(evaluate(name, batch(name, n=1), **options)):
        equal(x, np.zeros_like(x))


@pytest.mark.parametrize("block_size", [None, 3])
def test_keys_of_moco_v3_get_no_gradient(block_size):
    options = {"wrt": (0, 1, 2, 3), "numbers": CASES["moco_v3"], "block_size": block_size}
    _, (_, *gradients) = evaluate("moco_v3", batch("moco_v3"), **options)
    for g in gradients[:2]:
        assert abs(g).max() > 1e-2
    for g in gradients[2:]:
        np.testing.assert_array_equal(g, np.zeros_like(g))


@pytest.mark.parametrize("name", CASES)
def test_invariances(name):
    inputs = batch(name)
    values = run(name, *inputs)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(5, 5)))[0], jnp.float32)
    close(run(name, *(x @ rotation for x in inputs)), values)
    scales = [rng.uniform(0.01, 100, (*x.shape[:-1], 1)).astype(np.float32) for x in inputs]
    close(run(name, *(s * x for s, x in zip(scales, inputs, strict=True))), values)
    order = rng.permutation(7)
    close(run(name, *(x[order] for x in inputs)), values[order])


def test_the_order_of_a_querys_keys_does_not_matter():
    queries, keys = batch("mil_nce")
    order = np.argsort(np.random.default_rng(1).random((7, 3)))
    moved = jnp.take_along_axis(keys, order[..., None], axis=1)
    equal(run("mil_nce", queries, moved), run("mil_nce", queries, keys), rtol=1e-4)


def test_negatives_are_the_keys_alone():
    queries, keys = batch("mil_nce")
    values = run("mil_nce", queries, keys)
    changed = run("mil_nce", queries.at[0].set(-queries[0]), keys)
    equal(changed[1:], values[1:])
    changed = run("mil_nce", queries, keys.at[0, 1].set(-keys[0, 1]))
    assert (abs(changed - values) > 1e-4).all()


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", CASES)
def test_extreme_inputs(name, block_size):
    check = partial(assert_finite, name, getattr(reference, name), wrt=WRT, block_size=block_size)
    for scale in (1e20, 1e4, 1e-8):
        check(batch(name, scale=scale), numbers={"temperature": 0.01}, atol=1e-3)
    check(batch(name), numbers={"temperature": 1e-4}, atol=2e-2)

    inputs = batch(name)
    for i, x in enumerate(inputs):
        for zero in (x.at[2].set(0), x.at[2, 1].set(0), 0 * x):
            check((*inputs[:i], zero, *inputs[i + 1 :]), numbers=CASES[name])
    check([x.at[2].set(0) for x in inputs], numbers=CASES[name])
    check([0 * x for x in inputs], numbers=CASES[name])


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", CASES)
def test_bfloat16_is_computed_in_float32(name, block_size):
    options = {"wrt": WRT, "numbers": CASES[name], "block_size": block_size}
    assert_float32_inside(name, batch(name), **options)


@pytest.mark.parametrize(
    ("name", "shapes", "wrong"),
    [
        ("mil_nce", [(4, 3), (5, 2, 3)], 1),
        ("mil_nce", [(4, 3), (4, 2, 5)], 1),
        ("mil_nce", [(4, 3), (4, 3)], 1),
        ("mil_nce", [(4,), (4, 2, 3)], 0),
        ("moco_v3", [(4, 3), (5, 3), (4, 3), (4, 3)], 1),
        ("moco_v3", [(4, 3), (4, 2), (4, 3), (4, 2)], 1),
        ("moco_v3", [(4, 3), (4, 3), (5, 3), (4, 3)], 2),
        ("moco_v3", [(4, 3), (4, 3), (4, 3), (4, 2)], 3),
        ("moco_v3", [(4, 3), (4, 3), (4, 3), (4,)], 3),
    ],
)
def test_shapes_that_differ_are_refused_by_name(name, shapes, wrong):
    assert_refuses(name, [shaped(shape) for shape in shapes], wrong)


@pytest.mark.parametrize("name", CASES)
def test_blocks_need_less_memory(name):
    """A matrix of 512 by 512 takes 1 MB, blocks of 16 rows or columns of it a thirty-second."""
    z = shaped((512, 4))
    inputs = (z, shaped((512, 2, 4))) if name == "mil_nce" else (z, z, z, z)

    def temporaries(*options):
        compilation = compiled(name, WRT, options).lower(CASES[name], *inputs).compile()
        return compilation.memory_analysis().temp_size_in_bytes

    assert temporaries() > 2**20
    assert temporaries(("block_size", 16)) < 2**19
