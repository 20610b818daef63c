"""Ctrl-C and SIGTERM as a request that the loop can honour between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Stopped(Exception):  # noqa: N818
    """The run was asked to stop and has saved where it is."""


@contextlib.contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that the first signal sets; the second acts as it did before.

    Outside the main thread, where Python takes no signals, the event is never set.
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
