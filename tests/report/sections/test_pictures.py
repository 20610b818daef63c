"""The pictures on the page are the ones that its captions name."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.methods.base import Method, no_update
from ssl_jax.report.sections import SECTIONS, Subject
from ssl_jax.report.sections.kinds import Neighbors, Pictures
from tests import tiny


def no_pictures(key, batch):
    return {"flat": jnp.zeros((1, 12, 4))}


def sections_of(views, data=None, settings=None, values=None, **others):
    """Returns the sections, all images, and the findings, whose features are random."""
    data = data or tiny.data()
    config = tiny.resolved(tiny.config(**settings or {}), data)
    rng = np.random.default_rng(0)
    arrays = [source.take(np.arange(len(source))) for source in (data.train, data.test)]
    train, test = (
        Extracted(rng.normal(size=(len(a["image"]), 6)).astype(np.float32), a.get("label"))
        for a in arrays
    )
    findings = Findings(
        {"rankme": 3.0, "features": 6} | (values or {}), train, test, test.y, data.train
    )
    method = Method(None, views, None, no_update, None)._replace(**others)
    subject = Subject(method, {}, {}, data, config, findings, jax.random.key(0), tiny.placement(8))
    return SECTIONS["image"](subject), arrays, findings


def pictures(sections):
    return [section for section in sections if isinstance(section, Pictures)]


def test_neighbors_are_the_nearest_by_features_and_by_pixels():
    sections, (train, test), findings = sections_of(no_pictures)

    def nearest(a, b):
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return np.argsort(-(b @ a.T), axis=1, kind="stable")[:, :5]

    (shown,) = (section for section in sections if isinstance(section, Neighbors))
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
    assert shown.labels[2] == [[str(label) for label in train["label"][row]] for row in raw]


def test_without_names_of_classes_neighbors_have_no_labels():
    sections, *_ = sections_of(no_pictures, tiny.data()._replace(label_names=None))
    (shown,) = (section for section in sections if isinstance(section, Neighbors))
    assert shown.labels is None


def test_views_are_shown_if_they_are_pictures():
    assert not pictures(sections_of(no_pictures)[0])
    sections, (train, _), _ = sections_of(
        lambda key, batch: {"image": jnp.stack([batch["image"] / 255.0, batch["image"] / 510.0])}
    )
    ((title, _, rows),) = pictures(sections)
    assert title == "What the method sees"
    assert [name for name, _ in rows] == ["view 1", "view 2"]
    (_, first), (_, second) = rows
    assert first.shape == (12, tiny.SIDE, tiny.SIDE, 1)
    np.testing.assert_allclose(first[0], train["image"][0] / 255, rtol=1e-6)
    np.testing.assert_allclose(second * 2, first, rtol=1e-6)


def test_what_a_method_produces_from_test_examples_is_shown_under_its_names():
    def show(params, extra, batch, key):
        image = batch["image"] / 255.0
        return {"the truth": image, "its negative": 1 - image, "a number": image.mean((1, 2, 3))}

    sections, (_, test), _ = sections_of(no_pictures, show=show)
    ((title, caption, rows),) = pictures(sections)
    assert title == "What the method produces"
    assert caption.endswith("the truth; its negative.")
    assert [name for name, _ in rows] == ["the truth", "its negative"]
    np.testing.assert_allclose(rows[0][1][0], test["image"][0] / 255, rtol=1e-6)
    np.testing.assert_allclose(rows[1][1], 1 - rows[0][1], atol=1e-6)


def test_principal_components_stand_beside_the_paintings_of_a_method_with_a_code():
    def show(params, extra, batch, key):
        return {"the painting": batch["image"] / 510.0}

    whole = tiny.SIDE**2
    for code, values in ((whole, {}), (None, {"test_mse": 0.1}), (2, {"test_mse": 0.1})):
        settings = {} if code is None else {"code": code}
        sections, *_ = sections_of(no_pictures, settings=settings, values=values, show=show)
        ((_, caption, rows),) = pictures(sections)
        if code != 2:
            assert [name for name, _ in rows] == ["the painting"]
    assert caption.endswith("the painting; from 2 principal components.")
    (_, painted), (_, compressed) = rows
    errors = np.square(compressed - 2 * painted).mean((1, 2, 3))
    spread = np.square(2 * painted - 2 * painted.mean(0)).mean()
    assert 0 < errors.mean() < spread


def test_the_hole_of_the_nearest_neighbor_stands_beside_the_paintings():
    def show(params, extra, batch, key):
        return {"the hole": batch["image"] / 510.0}

    settings, values = {"region": "middle", "overlap": 0}, {"test_hole_mse": 0.1}
    sections, *_ = sections_of(no_pictures, settings=settings, values=values, show=show)
    ((_, caption, rows),) = pictures(sections)
    assert caption.endswith("the hole; nearest neighbor.")
    (_, shown), (_, filled) = rows
    changed = np.abs(filled - 2 * shown).max(axis=(0, 3)) > 1e-6
    expected = np.zeros((tiny.SIDE, tiny.SIDE), bool)
    expected[2:6, 2:6] = True
    np.testing.assert_array_equal(changed, expected)


def test_each_task_of_a_combination_shows_what_it_sees():
    def views(key, batch):
        images = batch["image"] / 255.0
        return {
            "rotation/image": jnp.stack([images, jnp.rot90(images, axes=(1, 2))]),
            "rotation/other": images[None],
            "rotation/turns": jnp.zeros((2, len(images))),
            "inpainting/context": images[None] / 2,
        }

    sections, *_ = sections_of(views)
    ((title, caption, rows),) = pictures(sections)
    assert title == "What the method sees"
    assert "From top to bottom: inpainting; rotation." in caption
    titles, (context, first, turned) = zip(*rows, strict=True)
    assert titles == ("inpainting, view 1", "rotation, view 1", "rotation, view 2")
    np.testing.assert_allclose(turned, np.rot90(first, axes=(1, 2)))
    np.testing.assert_allclose(context, first / 2)
