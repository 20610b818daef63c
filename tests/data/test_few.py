"""A few labels per class, and training on labeled examples."""

import numpy as np
import pytest

from ssl_jax import data
from ssl_jax.data.dataset import Arrays
from ssl_jax.data.few import keep_labels, read_labels
from ssl_jax.errors import InputError
from tests import tiny


class WithoutLabels:
    """A source whose labels are known only from its examples."""

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return self.source[index]


def test_each_class_keeps_as_many_examples_and_draws_differ():
    dataset = tiny.data(train=60)
    first, again, other = (keep_labels(dataset, 4, draw) for draw in (0, 0, 1))
    np.testing.assert_array_equal(np.bincount(first.train.labels), [4, 4, 4])
    np.testing.assert_array_equal(first.train.indices, again.train.indices)
    assert not np.array_equal(first.train.indices, other.train.indices)
    assert first.pretrain is dataset.pretrain
    assert first.test is dataset.test
    assert first.notes[-1] == "labels: 4 per class, 12 of 60 training examples"


def test_labels_are_read_from_examples_if_need_be():
    dataset = tiny.data()
    np.testing.assert_array_equal(read_labels(WithoutLabels(dataset.train)), dataset.train.labels)
    assert read_labels(Arrays({"image": np.zeros((3, 2))})) is None


def test_a_config_chooses_the_labels():
    config = {"name": "fashion_mnist_mini", "labels": 2, "draw": 3}
    chosen = data.load(config).train
    np.testing.assert_array_equal(np.bincount(chosen.labels), np.full(10, 2))


def test_the_rarest_class_is_named_if_it_has_too_few():
    dataset = tiny.data(train=40)._replace(label_names=("x", "y", "z"))
    with pytest.raises(InputError, match=r"data\.labels: 14, but the class 'y' has 13 training"):
        keep_labels(dataset, 14, 0)


def test_data_without_labels_is_refused():
    dataset = tiny.data()
    bare = dataset._replace(train=Arrays({"image": dataset.train.columns["image"]}))
    with pytest.raises(InputError, match=r"data\.labels: 1, but the data has no labels"):
        keep_labels(bare, 1, 0)
    with pytest.raises(InputError, match="data has no labels"):
        data.labeled(bare)


def test_few_examples_are_repeated_until_a_batch_is_full():
    dataset = keep_labels(tiny.data(), 1, 0)
    repeated = data.labeled(dataset, at_least=16).pretrain
    assert len(repeated) == 18
    batch = next(data.batches(repeated, 16, seed=0))
    assert len(batch["label"]) == 16
    assert np.bincount(batch["label"]).max() <= 6
    np.testing.assert_array_equal(repeated[4]["image"], repeated[1]["image"])


def test_a_single_class_is_refused():
    dataset = tiny.data(classes=1)
    with pytest.raises(InputError, match="all training examples have the same label"):
        data.labeled(dataset)


def test_classes_without_training_examples_are_named():
    dataset = tiny.data()._replace(label_names=("x", "y", "z"))
    columns = dataset.train.columns
    kept = columns["label"] != 2
    train = Arrays({name: column[kept] for name, column in columns.items()})
    with pytest.raises(InputError, match="no training examples of 'z'"):
        data.labeled(dataset._replace(train=train))
