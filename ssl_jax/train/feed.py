"""Batches for the loop, and how long the devices wait for them."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import jax

from ssl_jax.data.dataset import Example
from ssl_jax.methods.base import Batch, Metrics
from ssl_jax.placement import Placement

STARVED = 0.1


class Feed:
    """Places the batches of a stream on the devices.

    The devices count as waiting for data when the previous step has ended and the requested batch
    has not arrived. Steps are dispatched long before they end, so a thread waits for each one and
    records the time. Time before the first step, which includes compilation, does not count.

    Args:
      stream: from ``data.training_batches``; ``close`` closes it.
      placement: of the batches.
      clock: returns seconds.
    """

    def __init__(
        self,
        stream: Generator[Example],
        placement: Placement,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stream = stream
        self._placement = placement
        self._clock = clock
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._ended: Future[float] | None = None
        self._began = self._row_began = 0.0
        self._waited = self._row_waited = 0.0

    def next(self) -> Batch:
        """Returns the next batch."""
        asked = self._clock()
        batch = self._placement.put_batch(next(self._stream))
        there = self._clock()
        if self._ended is not None and self._ended.done():
            self._waited += max(0.0, there - max(asked, self._ended.result()))
        return batch

    def watch(self, metrics: Metrics) -> None:
        """Records when a step ends.

        Args:
          metrics: of the step that was dispatched with the last batch.
        """
        if self._ended is None:
            self._began = self._row_began = self._clock()
        self._ended = self._watcher.submit(self._end, metrics["loss"])

    def starved(self) -> float:
        """Returns the share of the time since the last call that the devices waited, 0 to 1."""
        now = self._clock()
        share = _share(self._waited - self._row_waited, now - self._row_began)
        self._row_began, self._row_waited = now, self._waited
        return share

    def starved_so_far(self) -> float:
        """Returns the same share of the time since the first step."""
        return _share(self._waited, self._clock() - self._began)

    def close(self) -> None:
        """Closes the stream and ends the thread."""
        self._watcher.shutdown()
        self._stream.close()

    def _end(self, loss: jax.Array) -> float:
        jax.block_until_ready(loss)
        return self._clock()


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
