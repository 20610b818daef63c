"""What a person sees while it trains: a live bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


class ProgressLine:
    """Step, loss, examples a second, time left.

    Args:
      console: where to; a terminal gets a bar.
      done: steps made before.
      steps: of the whole run.
    """

    def __init__(self, console: Console, done: int, steps: int):
        self._console = console
        self._steps = steps
        self._first = done
        self._start = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[rate]:,.0f} examples/s  left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            "", total=steps, completed=done, loss=float("nan"), rate=float("nan")
        )

    def __enter__(self) -> "ProgressLine":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, step: int, loss: float, rate: float) -> None:
        """After ``step`` steps."""
        self._bar.update(self._task, completed=step, loss=loss, rate=rate)
        now = time.monotonic()
        due = now - self._last_line >= _SECONDS_BETWEEN_LINES or step == self._steps
        if not self._console.is_terminal and due:
            self._last_line = now
            left = (now - self._start) / (step - self._first) * (self._steps - step)
            self._console.print(
                f"step {step}/{self._steps}  loss {loss:.3f}  {rate:,.0f} examples/s  "
                f"left {left:.0f} s",
                soft_wrap=True,
                highlight=False,
            )
