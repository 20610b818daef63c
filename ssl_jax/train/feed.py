"""Batches for the loop, and how long the device waited for them."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import jax
from jax.sharding import Mesh

from ssl_jax.data.dataset import Example
from ssl_jax.methods.base import Batch, Metrics
from ssl_jax.sharding import put_batch

STARVED = 0.1


class Feed:
    """The batches of a stream on the mesh.

    The device has nothing to do for want of data while a batch has been asked for, is not there
    yet, and the step before has ended. Steps are dispatched long before they end, so a thread
    waits for each and notes the time. What comes before the first step, the compilation too, does
    not count.

    Args:
      stream: of ``ssl_jax.data.batches``; ``close`` closes it.
      mesh: over which the batches are split.
      clock: gives seconds.
    """

    def __init__(
        self,
        stream: Generator[Example],
        mesh: Mesh,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stream = stream
        self._mesh = mesh
        self._clock = clock
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._ended: Future[float] | None = None
        self._began = self._row_began = 0.0
        self._waited = self._row_waited = 0.0

    def next(self) -> Batch:
        """The next batch."""
        asked = self._clock()
        batch = put_batch(self._mesh, next(self._stream))
        there = self._clock()
        if self._ended is not None and self._ended.done():
            self._waited += max(0.0, there - max(asked, self._ended.result()))
        return batch

    def watch(self, metrics: Metrics) -> None:
        """Take the metrics of the step that was dispatched with the batch."""
        if self._ended is None:
            self._began = self._row_began = self._clock()
        self._ended = self._watcher.submit(self._end, metrics["loss"])

    def starved(self) -> float:
        """The share, 0 to 1, of the time since this was last asked that the device waited."""
        now = self._clock()
        share = _share(self._waited - self._row_waited, now - self._row_began)
        self._row_began, self._row_waited = now, self._waited
        return share

    def starved_so_far(self) -> float:
        """The share of the time since the first step."""
        return _share(self._waited, self._clock() - self._began)

    def close(self) -> None:
        """End the reading and the watching."""
        self._watcher.shutdown()
        self._stream.close()

    def _end(self, loss: jax.Array) -> float:
        jax.block_until_ready(loss)
        return self._clock()


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
