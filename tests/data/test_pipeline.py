"""Batches are a pure function of (seed, step) and cover every epoch exactly once."""

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
    """A source without `take`, as users write them."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"number": np.asarray(index, np.int32)}


def numbers(count):
    return Arrays({"number": np.arange(count, dtype=np.int32)})


def first(iterator, count):
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def order(source, batch_size, count, **options):
    return [
        batch["number"].tolist() for batch in first(batches(source, batch_size, **options), count)
    ]


@pytest.mark.parametrize("source", [numbers(10), Numbers(10)], ids=["arrays", "plain"])
def test_every_epoch_is_a_permutation_across_borders(source):
    flat = list(itertools.chain(*order(source, 4, 10, seed=7)))
    epochs = [flat[start : start + 10] for start in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("start_step", [0, 1, 3, 8])
def test_resuming_gives_the_tail(start_step):
    whole = order(numbers(10), 4, 12, seed=3)
    assert order(numbers(10), 4, 4, seed=3, start_step=start_step) == whole[start_step:][:4]


def test_a_far_step_costs_nothing():
    assert len(order(numbers(10), 4, 1, seed=3, start_step=10**12)) == 1


def test_the_order_is_grains():
    grains = grain.MapDataset.range(10).seed(7).shuffle().repeat()
    assert order(numbers(10), 4, 6, seed=7) == [
        [grains[at + row] for row in range(4)] for at in range(0, 24, 4)
    ]


def test_the_order_stays_from_version_to_version():
    first_epochs = [[7, 9, 0, 8, 4, 2, 5, 6, 3, 1], [6, 0, 4, 2, 7, 9, 1, 5, 8, 3]]
    assert order(numbers(10), 10, 2, seed=7) == first_epochs


def test_seeds_differ_and_repeat():
    one, again, other = (order(numbers(50), 50, 1, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("process_count", [1, 2, 4])
def test_processes_share_the_global_batch(process_count):
    whole = order(numbers(10), 8, 5, seed=0)
    parts = [
        order(numbers(10), 8, 5, seed=0, process_index=index, process_count=process_count)
        for index in range(process_count)
    ]
    assert [list(itertools.chain(*step)) for step in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_extreme_seeds(seed):
    assert sorted(order(numbers(6), 6, 1, seed=seed)[0]) == list(range(6))


@pytest.mark.parametrize(
    ("batch_size", "options", "message"),
    [
        (11, {}, "data.batch_size: 11 does not fit the source; expected 1 to 10"),
        (0, {}, "data.batch_size: 0 does not fit"),
        (6, {"process_count": 4}, "data.batch_size: 6 does not divide among the processes"),
        (6, {"seed": -1}, "seed: -1 is out of range; expected 0 to 4294967295"),
        (6, {"seed": 2**32}, "seed: 4294967296 is out of range"),
    ],
)
def test_bad_requests_fail_before_the_first_batch(batch_size, options, message):
    with pytest.raises(InputError) as caught:
        batches(numbers(10), batch_size, **{"seed": 0, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [numbers(10), Numbers(10)], ids=["arrays", "plain"])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 16])
def test_padded_batches_count_every_example_once(source, batch_size):
    counted = []
    for batch, mask in padded_batches(source, batch_size):
        assert batch["number"].shape == mask.shape == (batch_size,)
        assert mask.dtype == bool
        assert (batch["number"][~mask] == 9).all()
        counted.extend(batch["number"][mask].tolist())
    assert counted == list(range(10))


def test_a_failing_source_fails_where_the_batch_is_asked_for():
    class Broken(Numbers):
        def __getitem__(self, index):
            if index == 5:
                raise InputError("file: is broken; expected whole")
            return super().__getitem__(index)

    with pytest.raises(InputError, match="file: is broken"):
        first(batches(Broken(6), 6, seed=0), 1)


def test_closing_stops_the_reading():
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


def test_leaving_without_closing_is_silent_and_quick():
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


def test_subset_and_chain_agree_with_their_parts():
    left, right = Subset(Numbers(10), np.array([7, 1, 3])), numbers(4)
    chain = Chain(left, right)
    wanted = [7, 1, 3, 0, 1, 2, 3]
    assert len(chain) == 7
    assert [int(chain[index]["number"]) for index in range(7)] == wanted
    shuffled = np.array([6, 0, 3, 2, 2])
    assert gather(chain, shuffled)["number"].tolist() == [3, 7, 0, 3, 3]


def test_a_chain_has_no_labels():
    columns = {"number": np.arange(2), "label": np.arange(2, dtype=np.int32)}
    chain = Chain(Arrays(columns), numbers(2))
    assert set(chain[0]) == set(gather(chain, np.array([0, 3]))) == {"number"}
