"""PyTorch's side: settings, autocast to bfloat16, and a training step.

PyTorch's allocator returns its free memory to the device before other contestants run.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from experiments.benchmarks.gpu.job import Job, Measured


def settle() -> None:
    """Allows TF32, lets cuDNN search for its fastest kernels, and sets the seed."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)


def maybe_compiled(f: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    """Returns the function, wrapped in ``torch.compile`` if ``compiled``."""
    return torch.compile(f, dynamic=False) if compiled else f


def autocast(device: str) -> torch.autocast:
    """Returns the context of mixed precision with bfloat16."""
    return torch.autocast(device, torch.bfloat16)


def job(step: Callable[[], Any], device: str, compiled: bool) -> Job:
    """Builds the job of a step and runs it once, which compiles it and searches for kernels."""
    cuda = device == "cuda"
    wait = torch.cuda.synchronize if cuda else lambda: None
    begin = time.perf_counter()
    step()
    wait()
    seconds = time.perf_counter() - begin
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return Job(step, wait, partial(_measured, cuda, seconds if compiled else None))


def _measured(cuda: bool, compile_seconds: float | None, seconds: float) -> Measured:
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else None
    return Measured(seconds, peak, compile_seconds)


def training(
    loss: Callable[[], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    after: Callable[[], Any] = lambda: None,
    before: Callable[[], Any] = lambda: None,
) -> Callable[[], None]:
    """Builds a training step: gradient, ``before``, update, ``after``."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        before()
        optimizer.step()
        after()

    return step
