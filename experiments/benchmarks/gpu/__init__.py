"""Whole training steps on a GPU, compared with PyTorch, eager and compiled.

python experiments/benchmark.py gpu --sections simclr,mae --output gpu.json

Each contestant runs in its own process. The contestants of a race import, build and compile at the
same time, and are then timed one after the other. A section ends after 90 seconds. If a contestant
fails or misses the deadline, its row says so.

``ours`` and ``peer`` are seconds per step: the median of 5 turns of at least 0.3 seconds each, in
which steps are dispatched back to back. Peak memory includes parameters, optimizer state and
inputs; ours is that of the compiled program, PyTorch's is ``max_memory_allocated``.
``matrix_share`` is the share of the device's rate in large bfloat16 products, which is measured
first; ``flops.py`` counts the FLOPs of a step. Compilation is timed while the other contestants
compile, without caches from earlier runs; PyTorch's time includes its first step. One device is
used.

The PyTorch side: torchvision's ResNet-50, timm's ViT with ``scaled_dot_product_attention``, NT-Xent
in plain PyTorch; channels_last, autocast to bfloat16, TF32, cuDNN's kernel search, fused
optimizers.
"""

import importlib
import time
from collections.abc import Iterator, Sequence

from experiments.benchmarks.gpu import matrix_rate
from experiments.benchmarks.gpu.table import Row, printed
from experiments.benchmarks.race import Track
from experiments.benchmarks.report import accelerator
from ssl_jax.errors import InputError

__all__ = ["SECTIONS", "check_device", "chosen", "printed", "rows"]

SECTIONS = {
    "simclr": ("simclr", "rows"),
    "mae": ("mae", "rows"),
    "vit": ("vit", "rows"),
    "vit448": ("vit", "rows_at_448"),
    "dino": ("dino", "rows"),
    "nt_xent": ("nt_xent", "rows"),
    "fit": ("fit", "rows"),
    "jpeg": ("jpeg", "rows"),
}
SECONDS = 90.0  # per section


def chosen(names: Sequence[str]) -> list[str]:
    """Returns the named sections in the table's order, or all sections if no names are given.

    Raises:
      InputError: a name is unknown.
    """
    for name in names:
        if name not in SECTIONS:
            raise InputError(
                f"--sections: {name!r} is unknown; expected some of {', '.join(SECTIONS)}"
            )
    return [name for name in SECTIONS if name in names or not names]


def check_device() -> None:
    """Checks that the machine has an accelerator.

    Raises:
      InputError: it has none.
    """
    backend = accelerator()["backend"]
    if backend == "cpu":
        raise InputError("gpu: the default backend is cpu; expected a GPU or TPU")


def rows(lanes: Track, *, sections: Sequence[str]) -> Iterator[str | list[Row]]:
    """Yields each section's name and then its rows; the rows of the matrix rate come first."""
    del lanes  # each race here starts and kills its own processes
    yield matrix_rate.PIECE.work
    chip, found = matrix_rate.measure("NVIDIA" in accelerator()["devices"])
    yield found
    for name in sections:
        yield name
        module, function = SECTIONS[name]
        section = importlib.import_module(f"experiments.benchmarks.gpu.{module}")
        yield from getattr(section, function)(chip, time.monotonic() + SECONDS)
