"""What runs in a contestant's process: a compiled step that times itself, or an error in words."""

import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_ROUNDS = 5
_TURN = 0.3  # seconds of steps between two waits, at least
_MAX_SECONDS = 4.0  # after these no new round begins


class Measured(NamedTuple):
    """Measurements of one step.

    Attributes:
      seconds: time per step, the median over the turns.
      peak_megabytes: peak device memory, including parameters and inputs.
      compile_seconds: time from Python to a program that runs; None if nothing is compiled.
      temporary_megabytes: memory for XLA's temporaries, a part of the peak.
    """

    seconds: float
    peak_megabytes: float | None = None
    compile_seconds: float | None = None
    temporary_megabytes: float | None = None


class Job(NamedTuple):
    """A compiled step, ready to run.

    Attributes:
      step: dispatches one step; it need not wait for the result.
      wait: waits until the device is idle.
      measured: turns the seconds per step into the result; called after the steps have run.
    """

    step: Callable[[], Any]
    wait: Callable[[], Any]
    measured: Callable[[float], Measured]

    def ready(self) -> None:
        """Does nothing: building is all the preparation."""

    def turn(self) -> Measured:
        """Times the steps: the first is not counted, the second sets the steps per turn."""
        self._seconds(1)
        count = math.ceil(_TURN / self._seconds(1))
        begin, taken = time.perf_counter(), [self._seconds(count)]
        while len(taken) < _ROUNDS and time.perf_counter() - begin < _MAX_SECONDS:
            taken.append(self._seconds(count))
        return self.measured(statistics.median(taken))

    def _seconds(self, count: int) -> float:
        return seconds_each(self.step, self.wait, count)


def seconds_each(step: Callable[[], Any], wait: Callable[[], Any], count: int) -> float:
    """Returns the mean seconds per step over ``count`` steps, dispatched back to back."""
    begin = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - begin) / count


class FailedError(Exception):
    """A contestant's error in words, since the parent process may not know the error's class."""


class Entrant:
    """A contestant's work, with errors raised as ``FailedError``.

    Its process becomes the leader of a process group, so that killing the group also kills the
    processes that the work starts.

    Args:
      make: builds the work.
      arguments: passed to ``make``.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any):
        os.setpgrp()
        self._work = _with_described_errors(lambda: make(*arguments))

    def ready(self) -> Any:
        """Returns what the work's ``ready`` returns."""
        return _with_described_errors(self._work.ready)

    def turn(self) -> Any:
        """Returns what the work's ``turn`` returns."""
        return _with_described_errors(self._work.turn)


def _with_described_errors(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        raise FailedError(describe(error)) from None


def describe(error: Exception) -> str:
    """Describes an error in one line of at most 200 characters."""
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    if isinstance(error, MemoryError) or any(
        sign in text.lower() for sign in ("out of memory", "resource_exhausted")
    ):
        return "out of memory"
    return f"{type(error).__name__}: {text}"[:200]
