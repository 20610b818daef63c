"""A race whose contestants get ready at the same time, each in a process of its own.

Then they are timed one after the other. Each process is killed once it is timed, since two of them
may need more memory than the device has. No process outlives the deadline.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks.gpu.job import Entrant, FailedError
from experiments.benchmarks.race import Contestant, Track, track

_GETTING_READY = 0.8  # of the time; the rest is for the races
_QUIET = "ignore::UserWarning:multiprocessing.resource_tracker"  # semaphores of killed processes


def run(
    contestants: Sequence[Contestant], until: float, *, together: bool = True
) -> dict[str, Any]:
    """Race them.

    Args:
      contestants: their names are unique.
      until: the deadline, by ``time.monotonic``.
      together: whether their processes can share the device.

    Returns:
      The answer of each one's ``turn`` by name; a str says in words why there is none.
    """
    if not together:
        return {
            name: outcome
            for number, contestant in enumerate(contestants)
            for name, outcome in run([contestant], _share(until, len(contestants) - number)).items()
        }
    ready_until = _share(until, 1 / _GETTING_READY)
    outcomes: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        track(_environment(folder)) as lanes,
    ):
        try:
            for each in contestants:
                entrant = each._replace(make=Entrant, arguments=(each.make, *each.arguments))
                lanes.send(each.name, entrant)
            for each in contestants:
                failure = _answer(lanes, each.name, ready_until)
                if failure is not None:
                    outcomes[each.name] = failure
                    lanes.kill(each.name)
            for each in contestants:
                if each.name not in outcomes:
                    outcomes[each.name] = _turn(lanes, each.name, until)
                    lanes.kill(each.name)
        finally:
            for each in contestants:
                lanes.kill(each.name)
    return outcomes


def _turn(lanes: Track, name: str, until: float) -> Any:
    with contextlib.suppress(ConnectionError):  # the answer says what happened
        lanes.send(name, None)
    return _answer(lanes, name, until)


def _answer(lanes: Track, name: str, until: float) -> Any:
    """The contestant's answer, or in words why there is none."""
    try:
        return lanes.receive(name, until)
    except FailedError as failure:
        return str(failure)
    except TimeoutError:
        return "out of time"
    except EOFError as ended:
        return str(ended)


def _share(until: float, parts: float) -> float:
    """The end of the first of so many equal parts of the time until then."""
    now = time.monotonic()
    return now + (until - now) / parts


def _environment(folder: str) -> dict[str, str]:
    """One device, shared with the other processes; nothing that was compiled before is used."""
    return {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95",
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "PYTHONWARNINGS": _QUIET,
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
    }
