"""Texts of a user are read as the windows of the training data were."""

import jax.numpy as jnp
import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods
from ssl_jax.data import tokeniser
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.data.text import ASSET
from ssl_jax.errors import InputError
from tests import fake_runs, tiny

TEXT = MODALITIES["text"]
TEXTS = ["abc cab", "dffd ddee dffd", "", "letters <|endoftext|> of no class: \u65e5\u672c"]


@pytest.fixture(scope="module")
def data():
    return tiny.texts()


@pytest.fixture(scope="module")
def config(data):
    base = tiny.config(name="next_word", temperature=0.8)
    base.network.name = "gpt_nano"
    return tiny.resolved(base, data)


@pytest.fixture(scope="module")
def saved(data, config, tmp_path_factory):
    """A run that was not trained, its method and its state, and where it is saved."""
    workdir = tmp_path_factory.mktemp("text") / "run"
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        method = methods.make(config)
        state = fake_runs.initial_state(method, config, data)
        fake_runs.write_checkpoint(workdir, config, state, data.assets)
        yield ssl_jax.load(workdir), method, state


def windows(data, texts):
    ids = np.zeros((len(texts), tiny.TOKENS), np.int32)
    for row, own in zip(ids, tokeniser.encode_whole(data.assets[ASSET], texts), strict=True):
        row[: len(own)] = own[: tiny.TOKENS]
    return ids


def test_an_example_has_the_shape_of_the_data(data, config):
    tokens = data.pretrain[0]["tokens"]
    assert batch_like(TEXT.example(config.data), 5) == batch_like({"tokens": tokens}, 5)
    assert TEXT.input_name == "token counts"


def test_the_first_window_of_each_text_is_read(data, config):
    long = "hiih gihh " * 50
    for texts in (TEXTS, [long], np.array(TEXTS), tuple(TEXTS)):
        found = TEXT.read(texts, config.data, data.assets).columns["tokens"]
        np.testing.assert_array_equal(found, windows(data, list(texts)))


def test_a_loaded_run_embeds_texts_as_it_embedded_windows(data, saved):
    loaded, method, state = saved
    assert loaded.assets == dict(data.assets)
    features = loaded.embed(TEXTS)
    batch = {"tokens": jnp.asarray(windows(data, TEXTS))}
    expected = method.embed(state.params, state.extra, batch)["features"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert features.shape == (4, 16)
    assert np.ptp(features, axis=0).min() > 1e-3
    long = "hiih gihh " * 50
    np.testing.assert_array_equal(loaded.embed([long]), loaded.embed([long + "abc"]))
    np.testing.assert_allclose(loaded.embed(np.array(TEXTS)), features, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "texts",
    ["abc", [], [1], None, 7, ["a", None], np.zeros((3, 3)), {"a": 1}, ["a\n\udcff"], iter(["a"])],
    ids=lambda texts: type(texts).__name__,
)
def test_anything_but_a_list_of_texts_is_refused_in_one_line(saved, texts):
    with pytest.raises(InputError, match=r"^texts: .*; expected a list of str") as error:
        saved[0].embed(texts)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 160
