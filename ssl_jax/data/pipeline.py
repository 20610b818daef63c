"""Batches as a pure function of (seed, step), so that resuming a run needs no saved iterator."""

import contextlib
import sys
from collections.abc import Generator
from typing import Any

import grain
import numpy as np
from grain.experimental import index_shuffle

from ssl_jax.data.dataset import Example, Source, gather
from ssl_jax.errors import InputError

_PREFETCHED = 2
_MAX_SEED = 2**32 - 1


def batches(
    source: Source,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Generator[Example]:
    """Yields training batches, from `start_step` on, without end.

    Batch number i depends only on the source, the batch size and the seed, so a run that resumes
    at step i reads exactly what it would have read without the interruption.

    Each epoch is a new permutation of the source. A batch may span two epochs, so no example is
    dropped. The next batches are read in the background until `close()` is called.

    Args:
      source: the examples.
      batch_size: examples in the global batch, over all processes.
      seed: determines the permutations; 0 to 2**32 - 1.
      start_step: number of the first batch; skipping the ones before it costs nothing.
      process_index: index of this process, which gets a contiguous slice of each global batch.
      process_count: number of processes that share a global batch.

    Returns:
      An iterator over `{name: [batch_size // process_count, ...]}`.

    Raises:
      InputError: the batch is larger than the source or not divisible by the number of processes,
        or the seed does not fit in 32 bits.
    """
    if not 1 <= batch_size <= len(source):
        raise InputError(
            f"data.batch_size: {batch_size} does not fit the source; "
            f"expected 1 to {len(source)}, its number of examples"
        )
    if batch_size % process_count:
        raise InputError(
            f"data.batch_size: {batch_size} is not divisible by the number of processes; "
            f"expected a multiple of {process_count}"
        )
    if not 0 <= seed <= _MAX_SEED:
        raise InputError(f"seed: {seed} is out of range; expected 0 to {_MAX_SEED}")
    share = batch_size // process_count

    def read(step: int) -> Example:
        first = step * batch_size + process_index * share
        return gather(source, _shuffled(first, share, len(source), seed))

    return _prefetched(grain.MapDataset.range(start_step, sys.maxsize).map(read))


def padded_batches(source: Source, batch_size: int) -> Generator[tuple[Example, np.ndarray]]:
    """Yields the whole source once, in order, in batches of equal size.

    Args:
      source: the examples.
      batch_size: examples in a batch.

    Returns:
      An iterator over pairs: a batch `{name: [batch_size, ...]}` and a mask, bool [batch_size]. The
      last batch is padded with copies of the last example; the mask is False for the copies.
    """

    def read(start: int) -> tuple[Example, np.ndarray]:
        rows = np.arange(start, start + batch_size)
        return gather(source, np.minimum(rows, len(source) - 1)), rows < len(source)

    return _prefetched(grain.MapDataset.range(0, len(source), batch_size).map(read))


def _shuffled(first: int, count: int, size: int, seed: int) -> np.ndarray:
    """Returns `count` shuffled indices from position `first` on.

    They equal those of ``grain.MapDataset.range(size).seed(seed).shuffle().repeat()``. Each index
    is computed from its position, so no permutation is stored.
    """
    (seed,) = np.random.SeedSequence((seed, 1)).generate_state(1).tolist()
    positions = (divmod(position, size) for position in range(first, first + count))
    return np.array(
        [
            index_shuffle(position, max_index=size - 1, seed=(seed + epoch) % 2**32, rounds=4)
            for epoch, position in positions
        ]
    )


def _prefetched(dataset: grain.MapDataset) -> Generator[Any]:
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_PREFETCHED)
    with contextlib.closing(iter(dataset.to_iter_dataset(options))) as iterator:
        yield from iterator
