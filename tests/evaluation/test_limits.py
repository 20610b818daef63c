"""What an evaluation cannot show is said before training."""

import numpy as np
import pytest

from ssl_jax.data import from_arrays
from ssl_jax.evaluation.limits import limits
from tests import tiny


def notes(labels, test=5, train_examples=10**5):
    labels = np.asarray(labels)
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    dataset = from_arrays(
        images, labels, test_images=images[:1].repeat(test, 0), test_labels=labels[:1].repeat(test)
    )
    config = tiny.config(name="simclr")
    config.evaluation.train_examples = train_examples
    return list(limits(dataset, config))


def test_data_without_limits_has_no_notes():
    assert notes(np.arange(20) % 2) == []


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        (np.arange(20), {}, "no class has two training examples"),
        (np.arange(40) % 20, {"train_examples": 2}, "no class has two training examples"),
        (np.zeros(20, int), {}, "all training examples have the same label"),
        ([0] * 20 + [1] * 3, {}, "1 of 2 classes have fewer than 10 training examples"),
        (np.arange(20) % 2, {"test": 1}, "single test example"),
    ],
)
def test_limits_are_said(labels, options, expected):
    (note,) = notes(labels, **options)
    assert expected in note


def test_data_without_labels_has_only_the_limit_of_its_size():
    dataset = tiny.data()._replace(label_names=None)
    assert list(limits(dataset, tiny.config(name="simclr"))) == []
