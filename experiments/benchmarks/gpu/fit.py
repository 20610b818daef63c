"""The training loop on pictures in memory, compared with the step alone: SimCLR ResNet-50, 224 px.

Like ``ssl_jax.train.loop``, the loop reads a batch, puts it on the device, runs the step and
watches for its end. The loop and the step alone run the same compiled step, taking turns in one
process. The ratio is the loop's time over the step's.
"""

import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from experiments.benchmarks.gpu import heat, simclr, table
from experiments.benchmarks.gpu.job import Measured, seconds_each
from experiments.benchmarks.race import Contestant

PICTURES, STEPS, ROUNDS = 1024, 8, 5
STEP, LOOP = "the step alone", "the loop"


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row."""
    piece = simclr.PIECE._replace(work=f"the loop, {simclr.PIECE.work}")
    outcome = heat.run([Contestant(LOOP, both)], until)[LOOP]
    outcomes = dict.fromkeys((STEP, LOOP), outcome) if isinstance(outcome, str) else outcome
    yield table.rows(piece, chip, STEP, outcomes)


class Both(NamedTuple):
    """The step alone and the loop, ready to run."""

    step: Any
    loop: Any
    wait: Any
    measured: Any

    def ready(self) -> None:
        """Does nothing: building is all the preparation."""

    def turn(self) -> dict[str, Measured]:
        """Returns the median of each over the rounds; the first round is not counted."""
        taken: dict[str, list[float]] = {STEP: [], LOOP: []}
        for _ in range(ROUNDS + 1):
            for name, step in ((STEP, self.step), (LOOP, self.loop)):
                taken[name].append(seconds_each(step, self.wait, STEPS))
        return {name: self.measured(statistics.median(each[1:])) for name, each in taken.items()}


def both(
    images: int = simclr.IMAGES, side: int = simclr.SIDE, pictures: int = PICTURES, **changes: Any
) -> Both:
    """Builds both, with pictures of noise."""
    import jax

    from experiments.benchmarks.gpu.ours import noise, random_batch, training
    from ssl_jax import data
    from ssl_jax.placement import make_placement
    from ssl_jax.train.feed import Feed

    config = simclr.settings(images, side, **changes)
    compiled, key, state = training(config)
    placement = make_placement()
    batch = placement.put_batch(random_batch(config))
    stored = noise(pictures, side)
    source = data.from_arrays(stored, test_images=stored[:1]).pretrain
    feed = Feed(data.batches(source, images, seed=0), placement)
    held: list[Any] = [state]

    def step() -> None:
        held[0], _ = compiled.call(key, held[0], batch)

    def loop() -> None:
        fetched = feed.next()
        with jax.transfer_guard("disallow"):
            held[0], metrics = compiled.call(key, held[0], fetched)
        feed.watch(metrics)

    return Both(step, loop, lambda: jax.block_until_ready(held[0]), compiled.measured)
