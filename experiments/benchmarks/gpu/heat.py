"""A race on one accelerator, with each contestant in its own process.

The contestants get ready at the same time and are timed one after the other. Each process is killed
once it has been timed, since two of them may need more memory than the device has. No process
outlives the deadline.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks.gpu.job import Entrant, FailedError
from experiments.benchmarks.race import Contestant, Track, track

_READY_SHARE = 0.8  # of the time, to get ready; the rest is for timing
_QUIET = "ignore::UserWarning:multiprocessing.resource_tracker"  # killed processes leave semaphores


def run(
    contestants: Sequence[Contestant], until: float, *, together: bool = True
) -> dict[str, Any]:
    """Gets the contestants ready and times each.

    Args:
      contestants: with unique names.
      until: the deadline, on ``time.monotonic``'s clock.
      together: whether their processes can share the device; if not, they run one by one.

    Returns:
      For each name, the answer of the contestant's ``turn``, or a str that says why there is none.
    """
    if not together:
        return {
            name: outcome
            for number, contestant in enumerate(contestants)
            for name, outcome in run([contestant], _share(until, len(contestants) - number)).items()
        }
    ready_until = _share(until, 1 / _READY_SHARE)
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
    with contextlib.suppress(ConnectionError):  # receiving reports what happened
        lanes.send(name, None)
    return _answer(lanes, name, until)


def _answer(lanes: Track, name: str, until: float) -> Any:
    """Returns the contestant's answer, or a str that says why there is none."""
    try:
        return lanes.receive(name, until)
    except FailedError as failure:
        return str(failure)
    except TimeoutError:
        return "out of time"
    except EOFError as ended:
        return str(ended)


def _share(until: float, parts: float) -> float:
    """Returns when the first of ``parts`` equal parts of the time until ``until`` ends."""
    now = time.monotonic()
    return now + (until - now) / parts


def _environment(folder: str) -> dict[str, str]:
    """Gives every process the same single device, and no compilation cache of an earlier run."""
    return {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95",
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "PYTHONWARNINGS": _QUIET,
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
    }
