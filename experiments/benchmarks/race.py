"""Timing contestants in turn, each in a process of its own.

In one process a framework's allocations slow the other's down. In turn, so that a machine that
slows down slows all of them. A process lives to the end of a table, so that each framework is
imported once.
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

_ENOUGH = 60.0  # seconds after which no new round begins
_TURN = 0.2  # seconds that a turn lasts at least: short work is repeated


class Timed(Protocol):
    """What a contestant's process holds."""

    def ready(self) -> Any:
        """Its answer once it is made."""

    def turn(self) -> Any:
        """Its answer to a turn."""


class Work(NamedTuple):
    """A call that does the work once and waits for it; MB of temporaries where they are known."""

    call: Callable[[], Any]
    megabytes: float | None = None

    def ready(self) -> float | None:
        """MB of temporaries."""
        return self.megabytes

    def turn(self) -> float:
        """Seconds of a call."""
        return _mean(self.call)


class Contestant(NamedTuple):
    """A name, and how its process makes the work: a function of a module, and its arguments.

    ``make`` raises ImportError where the peer is not installed, MemoryError where the work would
    not fit; such a contestant does not run. In ``bfloat16`` it has a process apart, since XLA's
    libraries are chosen once a process.
    """

    name: str
    make: Callable[..., Timed]
    arguments: tuple[Any, ...] = ()
    bfloat16: bool = False

    @property
    def lane(self) -> str:
        """The name of its process."""
        return f"{self.name}, bfloat16" if self.bfloat16 else self.name


def jitted(f: Callable, *inputs: Any) -> Work:
    """The compiled function on these inputs."""
    compiled = jax.jit(f).lower(*inputs).compile()
    return Work(lambda: jax.block_until_ready(compiled(*inputs)), temporaries(compiled))


def temporaries(compiled: jax.stages.Compiled) -> float | None:
    """MB that a compiled function needs beside its inputs and outputs."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes / 2**20 if memory else None


class Track:
    """The processes of a table, by name; ``environment`` is added to their environment."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._lanes: dict[str, tuple[multiprocessing.process.BaseProcess, Connection]] = {}

    def ask(self, name: str, message: Any) -> Any:
        """Send a message to a process, start it if need be, and wait for its answer."""
        self.send(name, message)
        return self.receive(name)

    def send(self, name: str, message: Any) -> None:
        """Send a message to a process, which is started if need be."""
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
        """Wait for a process's answer.

        Args:
          name: of the process.
          until: when to give up, by ``time.monotonic``.

        Raises:
          TimeoutError: there is no answer by then.
          EOFError: the process has ended.
          Exception: what the contestant raised.
        """
        process, connection = self._lanes[name]
        left = None if until == math.inf else max(0.0, until - time.monotonic())
        try:
            if not connection.poll(left):
                raise TimeoutError(f"{name} has not answered")
            answer = connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise EOFError(f"the process of {name} ended with {process.exitcode}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, name: str) -> None:
        """Kill a process, if it is there; where it leads a process group, its children too."""
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
        """End them all."""
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
    """A track that is closed at the end."""
    lanes = Track(environment)
    try:
        yield lanes
    finally:
        lanes.close()


def _run(connection: Connection) -> None:
    """A contestant's process: a ``Contestant`` is made ready, ``None`` is the signal to run.

    All of them keep the memory that they free, which helps PyTorch too.
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
    """Seconds of a call, the mean over a turn."""
    start, calls, taken = time.perf_counter(), 0, 0.0
    while taken < _TURN:
        call()
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def race(
    lanes: Track, contestants: Sequence[Contestant], rounds: int
) -> dict[str, tuple[float, float | None]]:
    """Median seconds of a call over so many rounds, after one that does not count, and MB, by name.

    What takes minutes gets fewer rounds, one at least; who is not installed is left out.
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
        if turn > 1 and time.perf_counter() - begin > _ENOUGH:
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
    """A row for each peer: both times in seconds, and the peer's over ours; ours alone without."""
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
