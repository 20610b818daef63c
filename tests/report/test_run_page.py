"""The content of the page is taken from the run."""

import jax
import numpy as np

from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.methods.base import Method, no_update
from ssl_jax.report.page import render
from ssl_jax.report.run_page import make_page
from ssl_jax.report.sections import SECTIONS, Subject
from ssl_jax.report.sections.kinds import Neighbors
from tests import tiny


def test_the_content_is_the_run_s(monkeypatch):
    data = tiny.data()._replace(notes=("a note",), unreadable={"broken.png": "is empty"})
    config = tiny.config(name="rotation")
    config.data.name = "folder:/pictures"
    config = tiny.resolved(config, data)
    z = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    test = Extracted(z, data.test.labels)
    findings = Findings({"rankme": 3.0}, Extracted(z, test.y), test, test.y, data.train)
    subject = Subject(
        Method(None, None, None, no_update, None),
        *({}, {}, data, config, findings, jax.random.key(0), tiny.placement(1)),
    )
    image = np.zeros((1, 8, 8, 1), np.uint8)
    section = Neighbors(image, image[None], image[None])
    monkeypatch.setitem(SECTIONS, "image", lambda given: [section] if given is subject else [])

    rows = [{"step": 1.0, "loss": 2.0}]
    page = make_page(subject, rows, {"steps": "4"})
    assert page.title == "rotation on folder:/pictures"
    assert page.facts == {"steps": "4"}
    assert page.notes == ("a note", "skipped: broken.png: is empty")
    assert page.metrics is rows
    assert page.values is findings.values
    assert page.input_name == "raw pixels"
    assert page.sections == [section]
    assert page.features is z
    assert page.labels is page.predictions is test.y
    assert page.label_names == data.label_names
    assert page.config == config.to_dict()
    assert page.meanings["optimizer.learning_rate"]
    assert page.meanings["method.area"]
    assert "rotation on folder:/pictures" in render(page)


def test_a_method_of_the_user_s_own_has_no_name():
    data = tiny.texts()
    config = tiny.config()
    config.network.name = "gpt_nano"
    config = tiny.resolved(config, data)
    config.unlock()
    del config.method
    z = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    found = Extracted(z, None)
    findings = Findings({"rankme": 3.0}, found, found, None, data.train)
    method = Method(None, None, None, no_update, None)
    page = make_page(
        Subject(method, {}, {}, data, config, findings, jax.random.key(0), tiny.placement(1)),
        [],
        {},
    )
    assert page.title.startswith("A method of your own on ")
    assert page.input_name == "token counts"
    assert page.labels is page.predictions is None
