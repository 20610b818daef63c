"""Batches are a pure function of (seed, step), and each epoch has every example exactly once."""

import itertools
import subprocess
import sys
import threading

import grain
import numpy as np
import pytest

from ssl_jax.data import batches, padded_batches
from ssl_jax.data.dataset import Arrays, Chain, Subset, gather
from ssl_jax.errors import InputError


class Numbers:
    """A source without `take`, such as a user would write."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"number": np.asarray(index, np.int32)}


def numbers(count):
    return Arrays({"number": np.arange(count, dtype=np.int32)})


def first(iterator, count):
    items = list(itertools.islice(iterator, count))
    iterator.close()
    return items


def order(source, batch_size, count, **options):
    return [
        batch["number"].tolist() for batch in first(batches(source, batch_size, **options), count)
    ]


@pytest.mark.parametrize("source", [numbers(10), Numbers(10)], ids=["arrays", "plain"])
def test_every_epoch_is_a_permutation_though_batches_span_epochs(source):
    flat = list(itertools.chain(*order(source, 4, 10, seed=7)))
    epochs = [flat[start : start + 10] for start in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("start_step", [0, 1, 3, 8])
def test_starting_later_gives_the_same_batches_from_there(start_step):
    whole = order(numbers(10), 4, 12, seed=3)
    assert order(numbers(10), 4, 4, seed=3, start_step=start_step) == whole[start_step:][:4]


def test_starting_at_a_very_late_step_costs_nothing():
    assert len(order(numbers(10), 4, 1, seed=3, start_step=10**12)) == 1


def test_the_order_equals_that_of_a_grain_pipeline():
    expected = grain.MapDataset.range(10).seed(7).shuffle().repeat()
    assert order(numbers(10), 4, 6, seed=7) == [
        [expected[at + row] for row in range(4)] for at in range(0, 24, 4)
    ]


def test_the_order_does_not_change_between_versions():
    first_epochs = [[7, 9, 0, 8, 4, 2, 5, 6, 3, 1], [6, 0, 4, 2, 7, 9, 1, 5, 8, 3]]
    assert order(numbers(10), 10, 2, seed=7) == first_epochs


def test_order_depends_only_on_the_seed():
    first_order, again, other = (order(numbers(50), 50, 1, seed=seed) for seed in (1, 1, 2))
    assert first_order == again
    assert first_order != other


@pytest.mark.parametrize("process_count", [1, 2, 4])
def test_processes_share_the_global_batch(process_count):
    whole = order(numbers(10), 8, 5, seed=0)
    parts = [
        order(numbers(10), 8, 5, seed=0, process_index=index, process_count=process_count)
        for index in range(process_count)
    ]
    assert [list(itertools.chain(*step)) for step in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_smallest_and_largest_seeds_are_accepted(seed):
    assert sorted(order(numbers(6), 6, 1, seed=seed)[0]) == list(range(6))


@pytest.mark.parametrize(
    ("batch_size", "options", "message"),
    [
        (11, {}, "data.batch_size: 11 does not fit the source; expected 1 to 10"),
        (0, {}, "data.batch_size: 0 does not fit"),
        (6, {"process_count": 4}, "data.batch_size: 6 is not divisible by the number of processes"),
        (6, {"seed": -1}, "seed: -1 is out of range; expected 0 to 4294967295"),
        (6, {"seed": 2**32}, "seed: 4294967296 is out of range"),
    ],
)
def test_bad_arguments_are_refused_before_the_first_batch(batch_size, options, message):
    with pytest.raises(InputError) as caught:
        batches(numbers(10), batch_size, **{"seed": 0, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [numbers(10), Numbers(10)], ids=["arrays", "plain"])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 16])
def test_padded_batches_hold_every_example_once(source, batch_size):
    unmasked = []
    for batch, mask in padded_batches(source, batch_size):
        assert batch["number"].shape == mask.shape == (batch_size,)
        assert mask.dtype == bool
        assert (batch["number"][~mask] == 9).all()
        unmasked.extend(batch["number"][mask].tolist())
    assert unmasked == list(range(10))


def test_the_error_of_a_source_is_raised_by_the_iterator():
    class Broken(Numbers):
        def __getitem__(self, index):
            if index == 5:
                raise InputError("file: is broken; expected whole")
            return super().__getitem__(index)

    with pytest.raises(InputError, match="file: is broken"):
        first(batches(Broken(6), 6, seed=0), 1)


def test_closing_the_iterator_stops_reading():
    read = []

    class Counting(Numbers):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    iterator = batches(Counting(4), 4, seed=0)
    next(iterator)
    iterator.close()
    assert next(iterator, None) is None
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=5)
            assert not thread.is_alive()
    assert len(read) <= 4 * 4


def test_a_program_ends_quietly_without_closing_the_iterator():
    code = (
        "import numpy as np\n"
        "from ssl_jax.data import batches\n"
        "from tests.data.test_pipeline import Numbers\n"
        "iterator = batches(Numbers(100), 10, seed=0)\n"
        "next(iterator)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_subset_and_chain_give_the_examples_of_their_parts():
    left, right = Subset(Numbers(10), np.array([7, 1, 3])), numbers(4)
    chain = Chain(left, right)
    expected = [7, 1, 3, 0, 1, 2, 3]
    assert len(chain) == 7
    assert [int(chain[index]["number"]) for index in range(7)] == expected
    shuffled = np.array([6, 0, 3, 2, 2])
    assert gather(chain, shuffled)["number"].tolist() == [3, 7, 0, 3, 3]


def test_a_chain_has_no_labels():
    columns = {"number": np.arange(2), "label": np.arange(2, dtype=np.int32)}
    chain = Chain(Arrays(columns), numbers(2))
    assert set(chain[0]) == set(gather(chain, np.array([0, 3]))) == {"number"}
