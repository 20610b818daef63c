"""Shows the progress of training: a live bar on a terminal, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ssl_jax.train.feed import STARVED

_SECONDS_BETWEEN_LINES = 10.0


class ProgressLine:
    """Shows step, loss, examples per second, time left, and the wait for data if it is long.

    Args:
      console: to print to; a terminal gets a bar.
      done: number of steps made before this start.
      steps: number of steps of the whole run.
    """

    def __init__(self, console: Console, done: int, steps: int):
        self._console = console
        self._steps = steps
        self._first: tuple[int, float] | None = None
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.fields[status]}  left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=done, status="compiling")
        self._bar.start()

    def close(self) -> None:
        """Stops updating the bar, which stays visible."""
        self._bar.stop()

    def show(self, step: int, loss: float, rate: float, input_wait: float) -> None:
        """Shows a step. The time before the first call includes compilation and is ignored."""
        status = f"loss {loss:.3f}  {rate:,.0f} examples/s"
        if input_wait > STARVED:
            status += f"  waiting for data {100 * input_wait:.0f} % of the time"
        self._bar.update(self._task, completed=step, status=status)
        now = time.monotonic()
        if self._console.is_terminal:
            return
        text = f"step {step}/{self._steps}  {status}"
        if step == self._steps:
            self._console.print(text)
        elif self._first is None:
            self._first = (step, now)
        elif now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            seconds = (now - self._first[1]) / (step - self._first[0]) * (self._steps - step)
            self._console.print(f"{text}  left {seconds:.0f} s")
