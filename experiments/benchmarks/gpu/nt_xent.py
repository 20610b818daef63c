"""NT-Xent of n pairs of 128-dimensional vectors: value and gradient of both inputs, in float32.

Ours runs in tiles of 4,096 rows and columns, and also all at once if the scores fit. It multiplies
in full float32. PyTorch may use TF32, as in the other sections, which is faster and less exact. The
three sizes share the section's time.
"""

import time
from collections.abc import Iterator

from experiments.benchmarks.gpu import flops, table
from experiments.benchmarks.gpu.job import Job
from experiments.benchmarks.race import Contestant

D, BLOCK_SIZE, TEMPERATURE = 128, 4096, 0.5
SIZES = (4096, 16_384, 65_536)


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields the rows of each size."""
    for number, n in enumerate(SIZES):
        now = time.monotonic()
        share = now + (until - now) / (len(SIZES) - number)
        work = f"NT-Xent, value and gradient, n = {n:,}"
        piece = table.Piece(work, "float32", n, flops.step(flops.nt_xent(n, D)))
        tiles = Contestant(f"ssl_jax, tiles of {BLOCK_SIZE:,}", ours, (n, BLOCK_SIZE))
        peers = [
            Contestant("ssl_jax at once", ours, (n, None)),
            Contestant("PyTorch", peer, (False, n)),
            Contestant("PyTorch compiled", peer, (True, n)),
        ]
        yield table.race(piece, chip, share, tiles, peers)


def ours(n: int, block_size: int | None) -> Job:
    """Builds NT-Xent of ``ssl_jax.losses`` with its gradient."""
    import jax

    from experiments.benchmarks.gpu.ours import function
    from ssl_jax import losses

    def loss(a: jax.Array, b: jax.Array) -> jax.Array:
        return losses.nt_xent(a, b, temperature=TEMPERATURE, block_size=block_size).mean()

    pair = jax.random.normal(jax.random.key(0), (2, n, D))
    return function(jax.value_and_grad(loss, (0, 1)), *pair)


def peer(compiled: bool, n: int, device: str = "cuda") -> Job:
    """Builds the same in PyTorch, with all scores at once."""
    import torch

    from experiments.benchmarks.gpu import torch_job, torch_networks

    torch_job.settle()
    a, b = (torch.randn(n, D, device=device, requires_grad=True) for _ in range(2))
    call = torch_job.maybe_compiled(
        lambda a, b: torch_networks.nt_xent(torch.cat([a, b]), TEMPERATURE), compiled
    )

    def step() -> None:
        a.grad = b.grad = None
        call(a, b).backward()

    return torch_job.job(step, device, compiled)
