"""Times contestants that take turns, each in its own process.

They have separate processes because in one process a framework's allocations slow the others down.
They take turns so that a machine that slows down slows all of them. A process lives until the end
of a table, so that each framework is imported once.
"""

import contextlib
import math
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol

import jax

from ssl_jax import cpu

_MAX_SECONDS = 60.0  # after these no new round begins
_TURN = 0.2  # minimum seconds per turn; shorter work is repeated


class Timed(Protocol):
    """What a contestant's process holds."""

    def ready(self) -> Any:
        """Returns the answer to send once the work is built."""

    def turn(self) -> Any:
        """Times the work and returns the answer to send."""


class Work(NamedTuple):
    """A call that does the work once and waits for it, and its MB of temporaries, if known."""

    call: Callable[[], Any]
    megabytes: float | None = None

    def ready(self) -> float | None:
        """Returns the MB of temporaries."""
        return self.megabytes

    def turn(self) -> float:
        """Returns the mean seconds per call."""
        return _mean(self.call)


class Contestant(NamedTuple):
    """A name, and how its process builds the work.

    Attributes:
      name: the name in the table, and of the process.
      make: a module-level function that builds the work. It raises ImportError if the peer is not
        installed, or MemoryError if the work would not fit; such a contestant does not run.
      arguments: passed to ``make``.
      bfloat16: gives it a process apart, since XLA's libraries are chosen once per process.
    """

    name: str
    make: Callable[..., Timed]
    arguments: tuple[Any, ...] = ()
    bfloat16: bool = False

    @property
    def lane(self) -> str:
        """Returns the name of its process."""
        return f"{self.name}, bfloat16" if self.bfloat16 else self.name


def jitted(f: Callable, *inputs: Any) -> Work:
    """Compiles a function and returns the work of calling it on these inputs."""
    compiled = jax.jit(f).lower(*inputs).compile()
    return Work(lambda: jax.block_until_ready(compiled(*inputs)), temporaries(compiled))


def temporaries(compiled: jax.stages.Compiled) -> float | None:
    """Returns the MB that a compiled function needs in addition to its inputs and outputs."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes / 2**20 if memory else None


class Track:
    """The processes of a table, by name; ``environment`` is added to theirs."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._lanes: dict[str, tuple[multiprocessing.process.BaseProcess, Connection]] = {}

    def ask(self, name: str, message: Any) -> Any:
        """Sends a message to a process, starting it if necessary, and waits for the answer."""
        self.send(name, message)
        return self.receive(name)

    def send(self, name: str, message: Any) -> None:
        """Sends a message to a process, starting it if necessary."""
        if name not in self._lanes:
            spawn = multiprocessing.get_context("spawn")
            here, there = spawn.Pipe()
            process = spawn.Process(target=_run, args=(there,), daemon=False)
            with _environment(self._environment):
                process.start()
            there.close()
            self._lanes[name] = process, here
        self._lanes[name][1].send(message)

    def receive(self, name: str, until: float = math.inf) -> Any:
        """Waits for a process's answer and returns it.

        Args:
          name: the process.
          until: when to give up, on ``time.monotonic``'s clock.

        Raises:
          TimeoutError: the process has not answered by then.
          EOFError: the process has ended.
          Exception: the error that the contestant raised.
        """
        process, connection = self._lanes[name]
        left = None if until == math.inf else max(0.0, until - time.monotonic())
        try:
            if not connection.poll(left):
                raise TimeoutError(f"{name} has not answered")
            answer = connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise EOFError(
                f"the process of {name} ended with exit code {process.exitcode}"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, name: str) -> None:
        """Kills a process, if it exists, and its children if it leads a process group."""
        if name not in self._lanes:
            return
        process, connection = self._lanes.pop(name)
        assert process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        connection.close()

    def close(self) -> None:
        """Ends all processes."""
        for process, connection in self._lanes.values():
            connection.close()
            process.join()


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def track(environment: Mapping[str, str] | None = None) -> Iterator[Track]:
    """Yields a track and closes it at the end."""
    lanes = Track(environment)
    try:
        yield lanes
    finally:
        lanes.close()


def _run(connection: Connection) -> None:
    """Runs in a contestant's process: a ``Contestant`` message builds the work, ``None`` times it.

    Every process keeps the memory that it frees, which helps PyTorch too.
    """
    work = None
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        try:
            if message is None:
                assert work is not None
                connection.send(work.turn())
            else:
                cpu.tune(bfloat16=message.bfloat16)
                work = None
                work = message.make(*message.arguments)
                connection.send(work.ready())
        except Exception as error:
            connection.send(error)


def _mean(call: Callable[[], Any]) -> float:
    """Returns the mean seconds per call over a turn."""
    start, calls, taken = time.perf_counter(), 0, 0.0
    while taken < _TURN:
        call()
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def race(
    lanes: Track, contestants: Sequence[Contestant], rounds: int
) -> dict[str, tuple[float, float | None]]:
    """Times the contestants in turn.

    Args:
      lanes: the contestants' processes.
      contestants: what to time. One that is not installed or does not fit is left out.
      rounds: how many rounds count, after one that does not. Work that takes minutes gets fewer,
        but at least one.

    Returns:
      For each name, the median seconds per call and the MB of temporaries.
    """
    megabytes, lane = {}, {}
    for contestant in contestants:
        lane[contestant.name] = contestant.lane
        try:
            megabytes[contestant.name] = lanes.ask(contestant.lane, contestant)
        except (ImportError, MemoryError):
            continue
    seconds: dict[str, list[float]] = {name: [] for name in megabytes}
    begin = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > 1 and time.perf_counter() - begin > _MAX_SECONDS:
            break
        for name, taken in seconds.items():
            once = lanes.ask(lane[name], None)
            if turn:
                taken.append(once)
    return {name: (statistics.median(taken), megabytes[name]) for name, taken in seconds.items()}


def compare(
    lanes: Track,
    work: str,
    precision: str,
    ours: Contestant,
    peers: Sequence[Contestant],
    rounds: int,
) -> list[dict[str, Any]]:
    """Returns one row per peer, with both times and their ratio; ours alone if no peer ran."""
    results = race(lanes, [ours, *peers], rounds)
    seconds, megabytes = results.pop(ours.name)
    row = {
        "work": work,
        "precision": precision,
        "ours_name": ours.name,
        "ours": seconds,
        "ours_megabytes": megabytes,
    }
    alone = {"peer_name": None, "peer": None, "peer_megabytes": None, "ratio": None}
    return [
        {
            **row,
            "peer_name": name,
            "peer": peer_seconds,
            "peer_megabytes": peer_megabytes,
            "ratio": peer_seconds / seconds,
        }
        for name, (peer_seconds, peer_megabytes) in results.items()
    ] or [row | alone]
