import html

import jax
import numpy as np
import pytest

from ssl_jax import methods
from ssl_jax.data import tokeniser
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.text import ASSET
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.methods.base import Method, no_update
from ssl_jax.report.page import render
from ssl_jax.report.run_page import make_page
from ssl_jax.report.sections import Subject
from tests import fake_runs, tiny


@pytest.fixture(scope="module")
def data():
    return tiny.texts()


@pytest.fixture(scope="module")
def config(data):
    base = tiny.config(name="next_word", temperature=0.8)
    base.network.name = "gpt_nano"
    return tiny.resolved(base, data)


def without_labels(data):
    def bare(source):
        return Arrays({"tokens": source.columns["tokens"]})

    return data._replace(train=bare(data.train), test=bare(data.test), label_names=None)


def page_of(data, config, method, params=None, extra=None):
    """A page of features in which each test text has one training text that is just like it."""
    z = np.eye(len(data.train), dtype=np.float32)
    labels = [source.columns.get("label") for source in (data.train, data.test)]
    findings = Findings(
        {"rankme": 3.0, "features": 40},
        Extracted(z, labels[0]),
        Extracted(z[::-1][: len(data.test)], labels[1]),
        None,
        data.train,
    )
    key, placement = jax.random.key(0), tiny.placement(8)
    return make_page(Subject(method, params, extra, data, config, findings, key, placement), [], {})


def sections(data, config, **others):
    method = Method(None, None, None, no_update, None)._replace(**others)
    return page_of(data, config, method).sections


def decoded(data, source, rows):
    return tokeniser.decode(data.assets[ASSET], source.columns["tokens"][rows])


def test_neighbors_are_the_nearest_with_their_labels(data, config):
    (nearest,) = sections(data, config)
    rows = np.linspace(0, 23, 6).astype(int)
    assert [group[0] for group in nearest.groups] == [
        (f"test text: class {data.test.columns['label'][row]}", text)
        for row, text in zip(rows, decoded(data, data.test, rows), strict=True)
    ]
    assert [group[1] for group in nearest.groups] == [
        (f"neighbor 1: class {data.train.columns['label'][39 - row]}", text)
        for row, text in zip(rows, decoded(data, data.train, 39 - rows), strict=True)
    ]
    assert {len(group) for group in nearest.groups} == {3}


def test_without_labels_neighbors_have_no_classes(data, config):
    (nearest,) = sections(without_labels(data), config)
    for group in nearest.groups:
        assert [heading for heading, _ in group] == ["test text", "neighbor 1", "neighbor 2"]


def test_what_a_method_shows_is_decoded_in_its_order(data, config):
    def show(params, extra, batch, key):
        return {"backwards": batch["tokens"][:, ::-1], "a text": batch["tokens"]}

    made, _ = sections(data, config, show=show)
    assert made.caption.endswith("backwards; a text.")
    rows = np.linspace(0, 23, 6).astype(int)
    assert [[heading for heading, _ in group] for group in made.groups] == [
        ["backwards", "a text"]
    ] * 6
    assert [group[1][1] for group in made.groups] == decoded(data, data.test, rows)


def test_the_page_shows_samples_of_the_method_and_neighbors(data, config, monkeypatch):
    tiny.small_networks(monkeypatch)
    method = methods.make(config)
    state = fake_runs.initial_state(method, config, data)
    page = render(page_of(data, config, method, state.params, state.extra))
    assert "What the method produces" in page
    assert "Nearest neighbors" in page
    first = data.test.columns["tokens"][:1]
    for part in (first[:, : tiny.TOKENS // 4], first[:, tiny.TOKENS // 4 :]):
        (text,) = tokeniser.decode(data.assets[ASSET], part)
        assert html.escape(text.strip()) in page
    for title in ("the prompt", "the method&#39;s continuation", "the true continuation"):
        assert title in page
