"""The page's pictures are the ones they are said to be."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.modalities import Look
from ssl_jax.report.run_page import make_page
from ssl_jax.evaluation.report import Neighbors, Pictures
from ssl_jax.methods.base import Method, no_update
from tests import tiny


def page_of(views, **others):
    dataset = tiny.data()
    config = tiny.resolved(tiny.config(), dataset)
    rng = np.random.default_rng(0)
    arrays = [source.take(np.arange(len(source))) for source in (dataset.train, dataset.test)]
    train, test = (
        Extracted(rng.normal(size=(len(a["label"]), 6)).astype(np.float32), a["label"])
        for a in arrays
    )
    findings = Findings({"rankme": 3.0, "features": 6}, train, test, test.y, dataset.train)
    method = Method(None, views, None, no_update, None)._replace(**others)
    look = Look(method, {}, {}, dataset, config, findings, jax.random.key(0))
    page = make_page(look, [], {})
    return page, arrays, findings


def test_neighbours_are_the_nearest_in_features_and_in_pixels():
    page, (train, test), findings = page_of(lambda key, batch: {"flat": jnp.zeros((1, 12, 4))})

    def nearest(a, b):
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return np.argsort(-(b @ a.T), axis=1, kind="stable")[:, :5]

    (shown,) = (section for section in page.sections if isinstance(section, Neighbors))
    rows = [
        next(i for i, x in enumerate(test["image"]) if np.array_equal(x, query))
        for query in shown.queries
    ]
    assert len(set(rows)) == 12
    assert set(test["label"][rows[:3]]) == {0, 1, 2}
    learned = nearest(findings.train.z, findings.test.z[rows])
    np.testing.assert_array_equal(shown.learned, train["image"][learned])
    pixels = [x["image"].reshape(len(x["image"]), -1).astype(np.float64) for x in (train, test)]
    raw = nearest(pixels[0], pixels[1][rows])
    np.testing.assert_array_equal(shown.pixels, train["image"][raw])
    assert shown.labels[0] == [str(label) for label in test["label"][rows]]
    assert shown.labels[1] == [[str(label) for label in train["label"][row]] for row in learned]


def pictures(page):
    return [section for section in page.sections if isinstance(section, Pictures)]


def test_views_are_shown_where_they_are_pictures():
    assert not pictures(page_of(lambda key, batch: {"flat": jnp.zeros((1, 12, 4))})[0])
    page, (train, _), _ = page_of(
        lambda key, batch: {"image": jnp.stack([batch["image"] / 255.0, batch["image"] / 510.0])}
    )
    ((title, _, rows),) = pictures(page)
    assert title == "What the method is shown"
    (_, first), (_, second) = rows
    assert first.shape == (12, tiny.SIDE, tiny.SIDE, 1)
    np.testing.assert_allclose(first[0], train["image"][0] / 255, rtol=1e-6)
    np.testing.assert_allclose(second * 2, first, rtol=1e-6)


def test_what_a_method_makes_of_test_examples_is_shown_by_its_names():
    def show(params, extra, batch, key):
        image = batch["image"] / 255.0
        return {"the truth": image, "its negative": 1 - image, "a number": image.mean((1, 2, 3))}

    page, (_, test), _ = page_of(lambda key, batch: {"flat": jnp.zeros((1, 12, 4))}, show=show)
    ((title, say, rows),) = pictures(page)
    assert title == "What the method makes of it"
    assert say.endswith("the truth, its negative.")
    assert [name for name, _ in rows] == ["the truth", "its negative"]
    np.testing.assert_allclose(rows[0][1][0], test["image"][0] / 255, rtol=1e-6)
    np.testing.assert_allclose(rows[1][1], 1 - rows[0][1], atol=1e-6)
