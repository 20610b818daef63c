"""Training streams: the entries that a method asks for, and labeled data."""

import itertools

import numpy as np
import pytest

from ssl_jax import data
from ssl_jax.data.dataset import Arrays, Dataset, gather
from ssl_jax.data.streams import training_source
from ssl_jax.errors import InputError

COUNT = 10


def columns(offset=0):
    rows = np.arange(COUNT, dtype=np.int32) + offset
    return {"image": rows[:, None], "depth": 2 * rows, "label": rows % 2, "motion": rows % 3}


@pytest.fixture
def dataset():
    """A dataset whose pretraining images differ from its labeled training images."""
    train = Arrays(columns(100))
    return Dataset(
        Arrays(columns()),
        train,
        train,
        ("even", "odd"),
        {},
        further_labels={"motion": ("a", "b", "c")},
    )


class Plain:
    """A source without `take`."""

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return self.source[index]


def assert_equal(batch, expected):
    assert list(batch) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(batch[name], values)


@pytest.mark.parametrize("wrap", [lambda source: source, Plain], ids=["arrays", "plain"])
@pytest.mark.parametrize("inputs", [("image",), ("depth", "image"), ("image", "label", "motion")])
def test_a_training_source_has_the_entries_asked_for(dataset, inputs, wrap):
    source = training_source(dataset._replace(pretrain=wrap(dataset.pretrain)), inputs)
    expected = {name: columns()[name] for name in inputs}
    assert len(source) == COUNT
    assert_equal(source[3], {name: values[3] for name, values in expected.items()})
    rows = np.array([7, 0, 7])
    assert_equal(gather(source, rows), {name: values[rows] for name, values in expected.items()})


def test_without_inputs_a_training_source_has_all_entries_but_labels(dataset):
    assert list(training_source(dataset, None)[0]) == ["depth", "image"]


@pytest.mark.parametrize("inputs", [("tokens",), ("image", "tokens")])
def test_a_missing_entry_is_refused_by_name(dataset, inputs):
    with pytest.raises(InputError) as caught:
        training_source(dataset, inputs)
    message = str(caught.value)
    assert message.startswith("data.name: ")
    assert "no 'tokens'" in message
    assert "found 'image', 'depth', 'label', 'motion'" in message
    assert "\n" not in message


def test_labels_are_refused_by_name_if_the_pretraining_data_has_none(dataset):
    unlabeled = dataset._replace(pretrain=Arrays({"image": columns()["image"]}))
    with pytest.raises(InputError, match="no 'label'"):
        training_source(unlabeled, ("image", "label"))


def test_labeled_data_pretrains_on_the_labeled_training_examples(dataset):
    labeled = data.labeled(dataset)
    assert labeled == dataset._replace(pretrain=dataset.train)
    source = training_source(labeled, ("image", "label"))
    assert_equal(source[4], {"image": [104], "label": 0})


def test_data_without_labels_cannot_be_labeled(dataset):
    unlabeled = dataset._replace(train=Arrays({"image": columns()["image"]}))
    with pytest.raises(InputError, match=r"^data\.name: .*; expected labeled examples$"):
        data.labeled(unlabeled)


@pytest.mark.parametrize("inputs", [None, ("image", "label")])
@pytest.mark.parametrize(
    "options", [{}, {"start_step": 5}, {"process_index": 1, "process_count": 2}]
)
def test_training_batches_equal_the_batches_of_the_training_source(dataset, inputs, options):
    given = data.training_batches(dataset, inputs, 4, seed=3, **options)
    expected = data.batches(training_source(dataset, inputs), 4, seed=3, **options)
    for batch, other in itertools.islice(zip(given, expected, strict=True), 6):
        assert_equal(batch, other)
    given.close()
    expected.close()
