import numpy as np
import pytest

from ssl_jax.report.page import Page, render
from ssl_jax.report.per_class import per_class
from tests.report.elements import Elements, text


def test_classes_are_sorted_from_worst_to_best():
    labels = np.array([0, 0, 0, 0, 1, 1, 3, 5])
    predictions = np.array([0, 0, 0, 1, 0, 0, 3, 4])
    found = per_class(labels, predictions, {0: "shoe", 1: "coat", 2: "bag"})
    assert found["parts"] == [[("coat", 0, 2), ("5", 0, 1), ("shoe", 0.75, 4), ("3", 1, 1)]]
    assert found["classes"] == 4


@pytest.mark.parametrize("classes", [20, 21, 30])
def test_of_more_than_20_classes_the_10_worst_and_the_10_best_are_listed(classes):
    labels = np.repeat(np.arange(classes), 50)
    right = np.arange(len(labels)) % 50 < labels  # class k has k of 50 right
    found = per_class(labels, np.where(right, labels, (labels + 1) % classes), {})
    expected = [(str(k), k / 50, 50) for k in range(classes)]
    assert found["classes"] == classes
    assert found["parts"] == ([expected] if classes == 20 else [expected[:10], expected[-10:]])


def test_nothing_without_labels_or_predictions():
    labels = np.zeros(3, int)
    assert per_class(None, labels, {}) is per_class(labels, None, {}) is None
    assert per_class(labels[:0], labels[:0], {}) is None


def listed(html):
    return [text(item) for item in html.split('class="per-class"')[1].split("</li>")[:-1]]


def test_the_page_lists_them_and_says_who_predicted():
    labels, predictions = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    page = Page("Title", labels=labels, predictions=predictions, label_names=("<shoe>", "coat"))
    html = render(page)
    Elements(html)
    assert "From worst to best, by the linear probe" in html
    assert "Predictions of the linear probe" in html
    first, second = listed(html)
    assert first.endswith("&lt;shoe&gt; 66.7%") or first.endswith("<shoe> 66.7%")
    assert second.endswith("coat 100.0%")
    assert "&lt;shoe&gt;, 3 test examples" in html
    assert 'coat, 1 test example"' in html
    classified = render(page._replace(values={"top1": 0.75, "rankme": 3.0}))
    assert "by the classifier that was trained" in classified
    assert "Predictions of the classifier that was trained" in classified
    assert "linear probe:" not in classified.split("<h2>Confusion</h2>")[1]


def test_colors_of_the_map_are_not_called_unseen_if_training_saw_the_labels():
    features = np.random.default_rng(0).normal(size=(60, 4))
    page = Page("Title", features=features, labels=np.arange(60) % 2, label_names=("a", "b"))
    assert "Colors are classes, which training did not see" in render(page)
    assert "Colors are classes. Distances" in render(page._replace(values={"top1": 0.75}))


def test_the_page_of_many_classes_says_how_many_are_shown():
    labels = np.arange(60) % 30
    predictions = np.where(labels == 7, 8, labels)
    html = render(Page("Title", labels=labels, predictions=predictions, values={"top1": 0.9}))
    assert "The 10 worst and the 10 best of 30 classes" in html
    assert "most frequent mistakes of the classifier that was trained" in html
    assert html.count("</b></li>") == 20
    Elements(html)
