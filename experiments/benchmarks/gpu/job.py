"""What a contestant's process holds, and how it times itself."""

import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_ROUNDS = 5
_TURN = 0.3  # seconds of steps between two waits, at least
_ENOUGH = 4.0  # seconds after which no new round begins


class Measured(NamedTuple):
    """Of one step.

    Attributes:
      seconds: the median over the turns.
      peak_megabytes: of device memory, with parameters and inputs.
      compile_seconds: from Python to a program that runs; None where nothing is compiled.
      temporary_megabytes: XLA's temporaries, a part of the peak.
    """

    seconds: float
    peak_megabytes: float | None = None
    compile_seconds: float | None = None
    temporary_megabytes: float | None = None


class Job(NamedTuple):
    """A compiled step, ready to run.

    Attributes:
      step: dispatches one step and need not wait for it.
      wait: until the device has nothing left to do.
      measured: makes the result of the seconds that a step took, after the steps have run.
    """

    step: Callable[[], Any]
    wait: Callable[[], Any]
    measured: Callable[[float], Measured]

    def ready(self) -> None:
        """Returns nothing until the race starts."""

    def turn(self) -> Measured:
        """Times the steps: one is not counted, the next sets how many a turn has."""
        self._seconds(1)
        count = math.ceil(_TURN / self._seconds(1))
        begin, taken = time.perf_counter(), [self._seconds(count)]
        while len(taken) < _ROUNDS and time.perf_counter() - begin < _ENOUGH:
            taken.append(self._seconds(count))
        return self.measured(statistics.median(taken))

    def _seconds(self, count: int) -> float:
        return seconds_each(self.step, self.wait, count)


def seconds_each(step: Callable[[], Any], wait: Callable[[], Any], count: int) -> float:
    """Seconds of a step, the mean over ``count`` of them, dispatched one after the other."""
    begin = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - begin) / count


class FailedError(Exception):
    """A contestant's error in words: the parent process may not know the error's own class."""


class Entrant:
    """A contestant's work, whose errors are put in words.

    Its process leads a process group, so that the processes that it starts are killed with it.

    Args:
      make: builds the work.
      arguments: of ``make``.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any):
        os.setpgrp()
        self._work = _in_words(lambda: make(*arguments))

    def ready(self) -> Any:
        """The answer of the work."""
        return _in_words(self._work.ready)

    def turn(self) -> Any:
        """The answer of the work."""
        return _in_words(self._work.turn)


def _in_words(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        raise FailedError(words(error)) from None


def words(error: Exception) -> str:
    """Describes an error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    if isinstance(error, MemoryError) or any(
        sign in text.lower() for sign in ("out of memory", "resource_exhausted")
    ):
        return "out of memory"
    return f"{type(error).__name__}: {text}"[:200]
