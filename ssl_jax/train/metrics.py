"""The metrics of a training run: ``metrics.jsonl`` and TensorBoard's ``events.*``."""

import json
import math
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from ssl_jax.errors import InputError
from ssl_jax.methods.base import Metrics
from ssl_jax.output import write_whole, writing
from ssl_jax.train.board import Board

FILE = "metrics.jsonl"
_BAD_ROWS = 5


class Journal:
    """Records one row every few steps.

    A row is written when the next one is added. By then its numbers have long been computed, so
    writing never holds up the devices.

    Args:
      workdir: of the run.
      resumed_at: rows of later steps are dropped, since these steps are repeated.
      batch_size: examples per step.
      show: called as ``show(step, loss, examples_per_second, input_wait)`` for each row.
      writes: whether this process writes the files; every process checks the loss.

    Raises:
      InputError: from any method, if a file cannot be written.
    """

    def __init__(
        self,
        workdir: Path,
        resumed_at: int,
        batch_size: int,
        show: Callable[[int, float, float, float], None],
        *,
        writes: bool = True,
    ):
        self._files = _Files(workdir, resumed_at) if writes else None
        self._batch_size = batch_size
        self._show = show
        self._pending: tuple[int, Metrics, float] | None = None
        self._last_step = resumed_at
        self._last_time = time.monotonic()
        self._bad_rows = 0

    def add(self, step: int, metrics: Metrics, input_wait: float) -> None:
        """Adds the metrics of a step, and writes the previous row.

        Args:
          step: number of the step, from 1.
          metrics: scalars, which need not be computed yet.
          input_wait: share of the time that the devices waited for data.

        Raises:
          InputError: the loss of five consecutive rows was not finite.
        """
        if self._pending is not None:
            self._write(*self._pending)
        self._pending = (step, metrics, input_wait)

    def close(self) -> None:
        """Writes the last row and closes the files."""
        with closing(self._files) if self._files else nullcontext():
            if self._pending is not None:
                self._write(*self._pending)

    def _write(self, step: int, metrics: Metrics, input_wait: float) -> None:
        row = {name: float(value) for name, value in metrics.items()}
        now = time.monotonic()
        examples = (step - self._last_step) * self._batch_size
        row["examples_per_second"] = examples / (now - self._last_time)
        row["input_wait"] = round(input_wait, 4)
        self._last_step, self._last_time, self._pending = step, now, None

        if self._files:
            self._files.add(step, row)
        self._show(step, row["loss"], row["examples_per_second"], row["input_wait"])

        self._bad_rows = 0 if math.isfinite(row["loss"]) else self._bad_rows + 1
        if self._bad_rows == _BAD_ROWS:
            raise InputError(
                f"optimizer.learning_rate: the loss is {row['loss']} at step {step} and has not "
                f"been finite for {_BAD_ROWS} rows; expected a learning rate that keeps it finite"
            )


class _Files:
    """``metrics.jsonl`` and ``events.*``, open for more rows."""

    def __init__(self, workdir: Path, resumed_at: int):
        rows = [row for row in read(workdir) if row["step"] <= resumed_at]
        write_whole(workdir / FILE, "".join(json.dumps(row) + "\n" for row in rows).encode())
        self._workdir = workdir
        with writing(workdir):
            self._rows = (workdir / FILE).open("a")
            self._board = Board(workdir, resumed_at + 1)

    def add(self, step: int, row: dict[str, float]) -> None:
        with writing(self._workdir):
            self._rows.write(json.dumps({"step": step, **row}) + "\n")
            self._rows.flush()
            self._board.add(step, row)

    def close(self) -> None:
        with writing(self._workdir), closing(self._board):
            self._rows.close()


def read(workdir: Path) -> list[dict[str, float]]:
    """Reads the rows so far; drops a last line that a crash cut off."""
    path = workdir / FILE
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
