"""Text from a run to its scores, its page and its features of texts that a user has."""

import html
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ssl_jax
from ssl_jax import methods, train
from ssl_jax.data import tokeniser
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.text import ASSET
from ssl_jax.errors import InputError
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import MODALITIES, Look
from ssl_jax.report.run_page import make_page
from ssl_jax.methods.base import Method, no_update
from tests import tiny
from tests.references import ngram

TEXT = MODALITIES["text"]


@pytest.fixture(scope="module")
def data():
    return tiny.texts()


def config(data):
    base = tiny.config(name="next_word", temperature=0.8)
    base.network.name = "gpt_nano"
    base.optimizer.learning_rate = 0.2
    base.train.update({"steps": 60, "log_every": 20, "checkpoint_every": 60})
    return tiny.resolved(base, data)


def without_labels(data):
    def bare(source):
        return Arrays({"tokens": source.columns["tokens"]})

    return data._replace(train=bare(data.train), test=bare(data.test), label_names=None)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run without labels, which is quick to evaluate, and where it is."""
    workdir = tmp_path_factory.mktemp("text") / "run"
    unlabelled, resolved = without_labels(data), config(data)
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield ssl_jax.fit(methods.make(resolved), unlabelled, resolved, workdir=workdir), workdir


def test_perplexities_stand_beside_those_of_counting(data, trained):
    values = json.loads((trained[1] / "evaluation.json").read_text())
    learned_from, asked = (s.columns["tokens"].tolist() for s in (data.pretrain, data.test))
    vocabulary = data.facts["vocabulary"]
    for name, counted in (("unigram", ngram.unigram), ("bigram", ngram.kneser_ney)):
        expected = math.exp(ngram.nats(counted(learned_from, vocabulary), asked))
        assert values[f"{name}_perplexity"] == pytest.approx(expected)
    assert values["test_perplexity"] == pytest.approx(math.exp(values["test_nats"]))
    assert values["test_perplexity"] < values["unigram_perplexity"] / 2


def test_a_method_that_predicts_no_words_has_no_perplexities(data):
    assert dict(TEXT.scores(data, {"rankme": 2.0})) == {}


def test_the_raw_input_is_how_often_each_token_occurs(data):
    tokens = data.test.columns["tokens"]
    counts = TEXT.raw_input(config(data).data)({"tokens": tokens})
    expected = [np.bincount(row, minlength=data.facts["vocabulary"]) for row in tokens]
    np.testing.assert_array_equal(counts, expected)
    assert TEXT.input_name == "token counts"


def test_the_page_shows_samples_and_neighbours_of_the_run(data, trained):
    page = (trained[1] / "report.html").read_text()
    assert "What the method makes of it" in page
    assert "Nearest neighbors" in page
    first = data.test.columns["tokens"][:1]
    for part in (first[:, : tiny.TOKENS // 4], first[:, tiny.TOKENS // 4 :]):
        (text,) = tokeniser.decode(data.assets[ASSET], part)
        assert html.escape(text.strip()) in page
    for title in ("the prompt", "the method&#39;s continuation", "the true continuation"):
        assert title in page


def test_a_run_taken_up_again_embeds_texts_as_windows_were(data, trained):
    run, workdir = trained
    loaded = ssl_jax.load(workdir)
    assert loaded.assets == dict(data.assets)
    texts = ["abc cab", "dffd ddee dffd", "", "letters <|endoftext|> of no class: \u65e5\u672c"]
    features = loaded.embed(texts)
    ids = np.zeros((len(texts), tiny.TOKENS), np.int32)
    for row, own in zip(ids, tokeniser.encode_whole(data.assets[ASSET], texts), strict=True):
        row[: len(own)] = own[: tiny.TOKENS]
    expected = run.method.embed(run.params, run.extra, {"tokens": jnp.asarray(ids)})["features"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert features.shape == (4, 16)
    assert np.ptp(features, axis=0).min() > 1e-3
    long = "hiih gihh " * 50
    np.testing.assert_array_equal(loaded.embed([long]), loaded.embed([long + "abc"]))
    np.testing.assert_allclose(loaded.embed(np.array(texts)), features, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "texts",
    ["abc", [], [1], None, 7, ["a", None], np.zeros((3, 3)), {"a": 1}, ["a\n\udcff"], iter(["a"])],
    ids=lambda texts: type(texts).__name__,
)
def test_what_is_no_list_of_texts_is_refused_in_one_line(trained, texts):
    with pytest.raises(InputError, match=r"^texts: .*; expected a list of str") as error:
        trained[0].embed(texts)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 160


def sections(data, **others):
    """Those of a method whose features are the texts' own numbers: a text is nearest to itself."""
    z = np.eye(len(data.train), dtype=np.float32)
    labels = [source.columns.get("label") for source in (data.train, data.test)]
    findings = Findings(
        {"rankme": 3.0, "features": 40},
        Extracted(z, labels[0]),
        Extracted(z[::-1][: len(data.test)], labels[1]),
        None,
        data.train,
    )
    method = Method(None, None, None, no_update, None)._replace(**others)
    look = Look(method, {}, {}, data, config(data), findings, jax.random.key(0))
    return make_page(look, [], {}).sections


def decoded(data, source, rows):
    return tokeniser.decode(data.assets[ASSET], source.columns["tokens"][rows])


def test_neighbours_are_the_nearest_with_their_labels(data):
    (nearest,) = sections(data)
    rows = np.linspace(0, 23, 6).astype(int)
    assert [group[0] for group in nearest.groups] == [
        (f"class {data.test.columns['label'][row]}", text)
        for row, text in zip(rows, decoded(data, data.test, rows), strict=True)
    ]
    assert [group[1] for group in nearest.groups] == [
        (f"class {data.train.columns['label'][39 - row]}", text)
        for row, text in zip(rows, decoded(data, data.train, 39 - rows), strict=True)
    ]
    assert {len(group) for group in nearest.groups} == {3}


def test_without_labels_neighbours_have_no_headings(data):
    (nearest,) = sections(without_labels(data))
    assert {heading for group in nearest.groups for heading, _ in group} == {""}


def test_what_a_method_shows_is_decoded_in_its_order(data):
    def show(params, extra, batch, key):
        return {"backwards": batch["tokens"][:, ::-1], "a text": batch["tokens"]}

    made, _ = sections(data, show=show)
    assert made.say.endswith("backwards, a text.")
    rows = np.linspace(0, 23, 6).astype(int)
    assert [[heading for heading, _ in group] for group in made.groups] == [
        ["backwards", "a text"]
    ] * 6
    assert [group[1][1] for group in made.groups] == decoded(data, data.test, rows)
