"""CLIP and SigLIP: values, closed forms, invariances, gradients and blocks."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.losses.checks import (
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
from tests.references import image_text as reference
from tests.references.arrays import softplus

NUMBERS = {
    "clip": {"logit_scale": 5.0},
    "sigmoid_pairwise": {"logit_scale": 5.0, "logit_bias": -2.0},
}
BLOCKS = [None, 1, 3, 7, 100]  # of 7 rows


def batch(n=7, seed=0, scale=1.0):
    return tuple(normal(2, n, 8, seed=seed, scale=scale))


def outputs(name, inputs, block_size=None, **numbers):
    """Returns values and gradients."""
    numbers = numbers or NUMBERS[name]
    return evaluate(name, inputs, wrt=(0, 1), numbers=numbers, block_size=block_size)


def run(name, *inputs, **options):
    return outputs(name, inputs, **options)[0]


@cache
def reference_outputs(name, n):
    f = getattr(reference, name)
    return expected_of(f, batch(n), wrt=(0, 1), numbers=NUMBERS[name])


@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("name", NUMBERS)
def test_values_and_gradients_match_the_reference(name, block_size):
    actual = outputs(name, batch(), block_size)
    assert_same(actual, reference_outputs(name, 7))
    assert_same(actual, outputs(name, batch()), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", NUMBERS)
def test_scale_and_bias_have_no_defaults(name):
    required = dict.fromkeys(NUMBERS[name], inspect.Parameter.empty)
    assert defaults(name) == required | {"axis_name": None, "block_size": None}


@pytest.mark.parametrize("block_size", [None, 3])
def test_closed_forms(block_size):
    n, scale, bias = 7, 2.0, -1.5
    same, orthonormal = jnp.ones((n, n + 1)), jnp.eye(n, n + 1)
    clip = partial(run, "clip", logit_scale=scale, block_size=block_size)
    equal(clip(same, same), np.full(n, np.log(n)))
    equal(clip(orthonormal, orthonormal), np.full(n, np.log(1 + (n - 1) * np.exp(-scale))))

    options = {"logit_scale": scale, "logit_bias": bias, "block_size": block_size}
    pairwise = partial(run, "sigmoid_pairwise", **options)
    expected = softplus(-scale - bias) + (n - 1) * softplus(bias)
    equal(pairwise(orthonormal, orthonormal), np.full(n, expected))
    expected = softplus(-scale - bias) + (n - 1) * softplus(scale + bias)
    equal(pairwise(same, same), np.full(n, expected))


def test_clip_is_the_mean_of_info_nce_both_ways():
    t = 0.3
    images, texts = batch()

    def info_nce(*inputs):
        return evaluate("info_nce", inputs, wrt=(0, 1), numbers={"temperature": t})[0]

    expected = (info_nce(images, texts) + info_nce(texts, images)) / 2
    equal(run("clip", images, texts, logit_scale=1 / t), expected, rtol=1e-4)


@pytest.mark.parametrize("block_size", [None, 3])
def test_one_example(block_size):
    for x in jax.tree.leaves(outputs("clip", batch(1), block_size)):  # there are no negatives
        equal(x, np.zeros_like(x))
    actual = outputs("sigmoid_pairwise", batch(1), block_size)
    assert_same(actual, reference_outputs("sigmoid_pairwise", 1))


@pytest.mark.parametrize("name", NUMBERS)
def test_invariances(name):
    images, texts = batch()
    values = run(name, images, texts)
    close = partial(equal, rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(1)
    rotation = jnp.asarray(np.linalg.qr(rng.normal(size=(8, 8)))[0], jnp.float32)
    close(run(name, images @ rotation, texts @ rotation), values)
    scales = jnp.asarray(rng.uniform(0.01, 100, (2, 7, 1)), jnp.float32)
    close(run(name, scales[0] * images, scales[1] * texts), values)
    order = rng.permutation(7)
    close(run(name, images[order], texts[order]), values[order])
    swapped = run(name, texts, images)
    close(swapped.sum(), values.sum())
    if name == "clip":
        close(swapped, values)


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("name", NUMBERS)
def test_extreme_inputs(name, block_size):
    hard, harder = {"logit_scale": 100.0}, {"logit_scale": 1e4}
    if name == "sigmoid_pairwise":
        hard, harder = hard | {"logit_bias": -10.0}, harder | {"logit_bias": -1e4}
    f = getattr(reference, name)
    check = partial(assert_finite, name, f, wrt=(0, 1), block_size=block_size)
    for scale in (1e20, 1e4, 1e-8):
        check(batch(scale=scale), numbers=hard, atol=1e-3)
    check(batch(), numbers=harder, atol=2e-2)

    images, texts = batch()
    check((images.at[2].set(0), texts), numbers=NUMBERS[name])
    check((0 * images, texts), numbers=NUMBERS[name])
    check((images.at[2].set(0), texts.at[2].set(0)), numbers=NUMBERS[name])
    check((0 * images, 0 * texts), numbers=NUMBERS[name])


@pytest.mark.parametrize(("name", "block_size"), [("clip", 3), ("sigmoid_pairwise", None)])
def test_bfloat16_is_computed_in_float32(name, block_size):
    options = {"wrt": (0, 1), "numbers": NUMBERS[name], "block_size": block_size}
    assert_float32_inside(name, batch(), **options)


@pytest.mark.parametrize("name", NUMBERS)
def test_mismatched_shapes_are_rejected(name):
    for texts in ((5, 3), (4, 2), (4,)):
        assert_rejects(name, [shaped((4, 3)), shaped(texts)], 1, **NUMBERS[name])


@pytest.mark.parametrize("name", NUMBERS)
def test_blocks_need_less_memory(name):
    """A 512 x 512 matrix takes 1 MB; blocks of 16 rows or columns take a thirty-second of it."""
    z = shaped((512, 4))
    run = compiled(name, (0, 1), (("block_size", 16),))
    compilation = run.lower(NUMBERS[name], z, z).compile()
    assert compilation.memory_analysis().temp_size_in_bytes < 2**19


def test_memory_in_blocks_is_linear():
    assert_memory_is_linear("clip", logit_scale=10.0)
