"""Turns Ctrl-C and SIGTERM into a request that the loop obeys between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Stopped(Exception):  # noqa: N818
    """The run was asked to stop and has saved its state."""


@contextlib.contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Yields an event that the first signal sets. A second signal has its usual effect.

    Outside the main thread, where Python handles no signals, the event is never set.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request(number: int, frame: Any) -> None:
        del frame
        requested.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, request)
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
