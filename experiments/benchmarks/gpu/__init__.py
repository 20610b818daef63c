"""Whole training steps on a GPU, beside the same in PyTorch, eager and compiled.

python experiments/benchmark.py gpu --sections simclr,mae --output gpu.json

Every contestant has a process of its own. Those of a race import, build and compile at the same
time, and are timed one after the other; a section ends after 90 seconds. A contestant that fails or
misses the deadline is reported in words in its row.

``ours`` and ``peer`` are seconds of a step: the median of 5 turns of .3 seconds or more, in which
steps are dispatched one after the other. Peak memory includes parameters, optimiser and inputs;
ours is that of the compiled program, PyTorch's is ``max_memory_allocated``. ``matrix_share`` is the
share of the device's rate in large bfloat16 products, which is measured first; ``flops.py`` has the
FLOPs of a step. Compilation is timed while the other contestants compile, without caches of earlier
runs; PyTorch's includes its first step. One device is used.

The PyTorch side: torchvision's ResNet-50, timm's ViT with ``scaled_dot_product_attention``, NT-Xent
in plain PyTorch; channels_last, autocast to bfloat16, TF32, cuDNN's search, fused optimisers.
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
SECONDS = 90.0  # of a section


def chosen(names: Sequence[str]) -> list[str]:
    """The sections of these names, or all of them if there are none.

    Raises:
      InputError: one of them is unknown.
    """
    for name in names:
        if name not in SECTIONS:
            raise InputError(
                f"--sections: {name!r} is unknown; expected some of {', '.join(SECTIONS)}"
            )
    return [name for name in SECTIONS if name in names or not names]


def check_device() -> None:
    """Refuse a machine without an accelerator.

    Raises:
      InputError: there is none.
    """
    backend = accelerator()["backend"]
    if backend == "cpu":
        raise InputError("gpu: the default backend is cpu; expected a GPU or TPU")


def rows(lanes: Track, *, sections: Sequence[str]) -> Iterator[str | list[Row]]:
    """A text before each section, and its rows as they come; first the rate of products."""
    del lanes  # a race kills its processes, and has some of its own
    yield matrix_rate.PIECE.work
    chip, found = matrix_rate.measure("NVIDIA" in accelerator()["devices"])
    yield found
    for name in sections:
        yield name
        module, function = SECTIONS[name]
        section = importlib.import_module(f"experiments.benchmarks.gpu.{module}")
        yield from getattr(section, function)(chip, time.monotonic() + SECONDS)
