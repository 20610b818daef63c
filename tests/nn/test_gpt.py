"""GPT: the published parameter count, a forward pass in NumPy, and causality."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.losses import causal_lm
from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones import gpt
from tests.references import gpt as reference

VOCABULARY, TOKENS, WIDTH, HEADS, DEPTH = 11, 7, 12, 3, 2
SIZES = {"vocabulary": VOCABULARY, "tokens": TOKENS, "width": WIDTH, "heads": HEADS}


def network(**options):
    return from_module(lambda rngs: gpt.GPT(**({"depth": DEPTH, "rngs": rngs} | SIZES | options)))


@functools.cache
def params():
    """Parameters with noise, so that none has a value that does nothing, such as 0."""
    rng = np.random.default_rng(1)
    drawn, _ = network().init(jax.random.key(0))
    return jax.tree.map(lambda x: x + rng.normal(0, 0.2, x.shape).astype(np.float32), drawn)


@functools.cache
def compiled(**options):
    return jax.jit(
        lambda params, tokens: network(**options).apply(params, {}, tokens, train=True)[0]
    )


@pytest.fixture
def tokens():
    return jax.random.randint(jax.random.key(2), (2, TOKENS), 0, VOCABULARY)


def test_the_parameter_count_matches_the_published_one():
    small = from_module(
        lambda rngs: backbones.GPTS["gpt2_small"](vocabulary=50_257, tokens=1024, rngs=rngs)
    )
    params, stats = jax.eval_shape(small.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 124_439_808
    assert stats == {}


def test_the_parameter_count_of_nano():
    nano = from_module(
        lambda rngs: backbones.GPTS["gpt_nano"](vocabulary=1024, tokens=64, rngs=rngs)
    )
    params, _ = jax.eval_shape(nano.init, jax.random.key(0))
    block = 12 * 128**2 + 13 * 128
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == (
        4 * block + 1024 * 128 + 64 * 128 + 2 * 128
    )


def test_layers_match_the_numpy_forward_pass(tokens):
    layers = compiled()(params(), tokens)
    *hidden, logits = reference.gpt(params(), np.asarray(tokens), heads=HEADS)
    assert list(layers) == ["block1", "block2", "features", "logits"]
    for name, expected in zip(layers, [*(x.mean(1) for x in hidden), logits], strict=True):
        np.testing.assert_allclose(layers[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
        assert layers[name].dtype == jnp.float32
    assert layers["features"].shape == (2, gpt.GPT(**SIZES, depth=1, rngs=nnx.Rngs(0)).features)


def test_the_logits_of_a_prefix_do_not_depend_on_what_follows(tokens):
    logits = compiled()(params(), tokens)["logits"]
    for i in range(TOKENS - 1):
        changed = tokens.at[:, i + 1 :].set((tokens[:, i + 1 :] + 1) % VOCABULARY)
        other = compiled()(params(), changed)["logits"]
        np.testing.assert_array_equal(other[:, : i + 1], logits[:, : i + 1])
        assert np.abs(other[:, i + 1 :] - logits[:, i + 1 :]).max() > 0.01
    short = compiled()(params(), tokens[:, :4])["logits"]
    np.testing.assert_allclose(short, logits[:, :4], rtol=1e-5, atol=1e-5)


def test_the_last_position_depends_on_every_token():
    text = jnp.arange(TOKENS)[None]
    logits = compiled()(params(), text)["logits"][0, -1]
    for i in range(TOKENS):
        other = compiled()(params(), text.at[0, i].set(VOCABULARY - 1))["logits"][0, -1]
        assert np.abs(other - logits).max() > 1e-3, i


def test_initialization():
    drawn, _ = network(width=96, heads=3, depth=2).init(jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(drawn):
        name = jax.tree_util.keystr(path)
        if "bias" in name:
            assert not leaf.any(), name
        elif "scale" in name:
            assert (leaf == 1).all(), name
        else:
            deviation = 0.01 if "'out'" in name or "'down'" in name else 0.02
            assert np.isclose(leaf.std(), deviation, rtol=0.1), name


def test_rematerialization_changes_neither_values_nor_gradients(tokens):
    def gradients(remat):
        def loss(params):
            return causal_lm(compiled(remat=remat)(params, tokens)["logits"], tokens).mean()

        return jax.value_and_grad(loss)(params())

    plain, again = gradients(False), gradients(True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), plain, again)
    for remat in (False, True):
        assert (
            "prevent_cse" in str(jax.make_jaxpr(compiled(remat=remat))(params(), tokens))
        ) == remat


def test_bfloat16_computes_in_bfloat16_and_stays_near_float32(tokens):
    module = gpt.GPT(**SIZES, depth=DEPTH, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert {x.dtype for x in jax.tree.leaves(nnx.state(module))} == {jnp.dtype("float32")}
    assert {x.dtype for x in module.encode(tokens)} == {jnp.dtype("bfloat16")}
    layers = compiled(dtype=jnp.bfloat16)(params(), tokens)
    for name, exact in compiled()(params(), tokens).items():
        assert layers[name].dtype == jnp.float32
        scale = np.abs(exact).max()
        np.testing.assert_allclose(layers[name], exact, atol=0.03 * scale, err_msg=name)


def test_a_text_longer_than_the_learned_positions_is_refused():
    with pytest.raises(ValueError, match=r"^text of 8 tokens exceeds the 7 learned positions"):
        compiled()(params(), jnp.zeros((1, TOKENS + 1), int))
