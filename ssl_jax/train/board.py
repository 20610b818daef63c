"""TensorBoard's ``events.*``, written in the caller's thread.

``tensorboardX.SummaryWriter`` writes in a thread behind a bounded queue: when that thread dies, for
example because the disk is full, the queue fills and whoever adds to it waits forever.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

_SECONDS_BETWEEN_FLUSHES = 30.0


class Board:
    """Scalars for TensorBoard.

    Args:
      workdir: of the run.
      first_step: TensorBoard discards the events that earlier starts wrote from this step on.

    Raises:
      OSError: from any method, if the file cannot be written.
    """

    def __init__(self, workdir: Path, first_step: int):
        now = time.time()
        name = f"events.out.tfevents.{now:.0f}.{socket.gethostname()}"
        self._records = RecordWriter(str(workdir.absolute() / name))
        self._flushed = now
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=first_step, session_log=start))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the scalars of a step, by name."""
        now = time.time()
        for name, value in values.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            self._write(Event(wall_time=now, step=step, summary=summary))
        if now - self._flushed >= _SECONDS_BETWEEN_FLUSHES:
            self._flushed = now
            self._records.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._records.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
