"""Next word: its loss and score compared with NumPy, and how it continues a text."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import next_word as presets
from ssl_jax import config as settings
from ssl_jax.methods.text import next_word
from tests import tiny
from tests.methods.case import Case
from tests.references import gpt as reference

CASE = Case({"temperature": 0.8}, network={"name": "gpt_nano"}, data=tiny.texts, draws_views=False)

PROMPT = tiny.TOKENS // 4


def make(temperature: float = 0.8):
    dataset = tiny.texts()
    config = tiny.config(name="next_word", temperature=temperature)
    config.network.name = "gpt_nano"
    config = tiny.resolved(config, dataset)
    return next_word.make(config), {"tokens": dataset.test.columns["tokens"][: tiny.BATCH]}


@functools.cache
def params():
    """Returns parameters with large noise, so that some tokens are much likelier than others."""
    rng = np.random.default_rng(1)
    method, batch = make()
    drawn, extra = method.init(jax.random.key(0), batch)
    assert extra == {}
    return jax.tree.map(
        lambda x: x + rng.normal(0, 0.3, x.shape).astype(np.float32), jax.device_get(drawn)
    )


def logits(tokens):
    return reference.gpt(params(), tokens, heads=2)[-1]


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_loss_and_score_are_means_over_next_tokens():
    method, batch = make()
    tokens = batch["tokens"]
    log_p = log_softmax(logits(tokens))
    expected = [
        -np.mean([log_p[n, i, text[i + 1]] for i in range(tiny.TOKENS - 1)])
        for n, text in enumerate(tokens)
    ]
    score = jax.jit(method.score)(params(), {}, batch, jax.random.key(0))
    np.testing.assert_allclose(score["nats"], expected, rtol=1e-4)
    assert np.std(expected) > 0.1
    views = method.views(jax.random.key(1), batch)
    value, (extra, metrics) = jax.jit(method.loss)(
        params(), {}, views, jax.random.key(2), jnp.int32(0)
    )
    np.testing.assert_allclose(value, np.mean(expected), rtol=1e-4)
    np.testing.assert_allclose(metrics["chance_loss"], np.log(tiny.VOCABULARY), rtol=1e-6)
    assert extra == {}


def test_embedding_has_every_layer_except_the_logits():
    method, batch = make()
    layers = jax.jit(method.embed)(params(), {}, batch)
    assert list(layers) == ["block1", "block2", "features"]
    *expected, _ = reference.gpt(params(), batch["tokens"], heads=2)
    for layer, tokens in zip(layers.values(), expected, strict=True):
        np.testing.assert_allclose(layer, tokens.mean(1), rtol=1e-3, atol=1e-4)


def test_continuation_depends_only_on_the_prompt_and_the_key():
    method, batch = make()
    tokens = batch["tokens"]
    show = jax.jit(method.show)
    shown = show(params(), {}, batch, jax.random.key(0))
    np.testing.assert_array_equal(shown["the prompt"], tokens[:, :PROMPT])
    np.testing.assert_array_equal(shown["the true continuation"], tokens[:, PROMPT:])
    continuation = shown["the method's continuation"]
    assert continuation.shape == (tiny.BATCH, tiny.TOKENS - PROMPT)
    assert np.std(continuation, axis=1).min() > 0

    others = np.concatenate([tokens[:, :PROMPT], tokens[::-1, PROMPT:]], 1)
    again = show(params(), {}, {"tokens": others}, jax.random.key(0))
    np.testing.assert_array_equal(again["the method's continuation"], continuation)
    other = show(params(), {}, batch, jax.random.key(1))["the method's continuation"]
    assert not np.array_equal(other, continuation)


def test_at_a_low_temperature_each_token_is_the_likeliest():
    method, batch = make(temperature=1e-4)
    shown = jax.jit(method.show)(params(), {}, batch, jax.random.key(0))
    text = np.array(batch["tokens"])
    for i in range(PROMPT, tiny.TOKENS):
        text[:, i] = logits(text)[:, i - 1].argmax(-1)
    np.testing.assert_array_equal(shown["the method's continuation"], text[:, PROMPT:])


def test_tokens_are_sampled_with_their_probabilities():
    temperature, count = 0.5, 2000
    method, batch = make(temperature)
    text = batch["tokens"][:1]
    shown = jax.jit(method.show)(
        params(), {}, {"tokens": np.repeat(text, count, 0)}, jax.random.key(3)
    )
    first = np.bincount(np.asarray(shown["the method's continuation"])[:, 0], minlength=270) / count
    expected = np.exp(log_softmax(logits(text)[0, PROMPT - 1] / temperature))
    error = np.sqrt(expected * (1 - expected) / count)
    assert expected.max() > 0.03
    assert np.abs(first - expected)[expected > 0.01].max() < 4 * error.max()
    sharper = np.exp(log_softmax(logits(text)[0, PROMPT - 1]))
    assert np.abs(first - sharper).max() > 8 * error.max()


@pytest.mark.parametrize("arg", [None, "smoke", "paper", "paper,data=text:/here", "epochs=3"])
def test_every_preset_is_valid(arg):
    settings.check(presets.get_config(arg))


def test_paper_preset_has_the_published_parameter_count():
    config = presets.get_config("paper")
    method = next_word.make(config)
    batch = {"tokens": jax.ShapeDtypeStruct((2, config.data.tokens), np.int32)}
    init, _ = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert sum(leaf.size for leaf in jax.tree.leaves(init)) == 124_439_808
    assert config.data.tokens == 1024
    assert config.data.vocabulary == 50_257
