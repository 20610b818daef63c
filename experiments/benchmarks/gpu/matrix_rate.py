"""The device's rate, in FLOP/s, for bfloat16 products of 8192 x 8192 matrices of noise."""

import time

from experiments.benchmarks.gpu import heat, table
from experiments.benchmarks.gpu.job import Job, Measured
from experiments.benchmarks.race import Contestant

SIDE = 8192
SECONDS = 60.0
FLOPS = 2.0 * SIDE**3
PIECE = table.Piece(f"a product of {SIDE} x {SIDE} matrices", "bfloat16", None, FLOPS)


def measure(cuda: bool) -> tuple[table.Chip, list[table.Row]]:
    """Measures the rate; returns the chip and the row of the measurement."""
    until = time.monotonic() + SECONDS
    outcome = heat.run([Contestant("ssl_jax", product)], until)
    measured = outcome["ssl_jax"]
    rate = FLOPS / measured.seconds if isinstance(measured, Measured) else None
    chip = table.Chip(cuda, rate)
    return chip, table.rows(PIECE, chip, "ssl_jax", outcome)


def product(side: int = SIDE) -> Job:
    """Builds the job that multiplies two matrices."""
    import jax
    import jax.numpy as jnp

    from experiments.benchmarks.gpu.ours import function

    a, b = jax.random.normal(jax.random.key(0), (2, side, side), jnp.bfloat16)
    return function(jnp.matmul, a, b)
