"""Timing contestants in turn, so that a machine that slows down slows all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

_PAUSE = 0.05  # until another framework's idle threads have stopped spinning
_ENOUGH = 60.0  # seconds after which no new round begins


class Contestant(NamedTuple):
    """A call that does the work once, and waits for it; MB of temporaries where they are known."""

    name: str
    call: Callable[[], Any]
    megabytes: float | None = None


def jitted(name: str, f: Callable, *inputs: Any) -> Contestant:
    """The compiled function on these inputs."""
    compiled = jax.jit(f).lower(*inputs).compile()
    memory = compiled.memory_analysis()
    megabytes = memory.temp_size_in_bytes / 2**20 if memory else None
    return Contestant(name, lambda: jax.block_until_ready(compiled(*inputs)), megabytes)


def race(contestants: Sequence[Contestant], rounds: int) -> list[float]:
    """Median seconds of each over so many rounds, after one that does not count.

    What takes minutes gets fewer rounds, one at least.
    """
    seconds: list[list[float]] = [[] for _ in contestants]
    begin = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > 1 and time.perf_counter() - begin > _ENOUGH:
            break
        for contestant, taken in zip(contestants, seconds, strict=True):
            time.sleep(_PAUSE)
            start = time.perf_counter()
            contestant.call()
            if turn:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def compare(
    work: str, precision: str, ours: Contestant, peers: Sequence[Contestant], rounds: int
) -> list[dict[str, Any]]:
    """A row for each peer: both times in seconds, and the peer's over ours."""
    our_time, *times = race([ours, *peers], rounds)
    return [
        {
            "work": work,
            "precision": precision,
            "ours_name": ours.name,
            "ours": our_time,
            "ours_megabytes": ours.megabytes,
            "peer_name": peer.name,
            "peer": peer_time,
            "peer_megabytes": peer.megabytes,
            "ratio": peer_time / our_time,
        }
        for peer, peer_time in zip(peers, times, strict=True)
    ]
