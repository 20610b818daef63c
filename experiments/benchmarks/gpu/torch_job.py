"""PyTorch's side: settings, autocast to bfloat16, and a training step.

The allocator gives its free memory back before other contestants run.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from experiments.benchmarks.gpu.job import Job, Measured


def settle() -> None:
    """Allows TF32, has cuDNN search for its fastest kernels, and seeds."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)


def maybe_compiled(f: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    """The function, under ``torch.compile`` if ``compiled``."""
    return torch.compile(f, dynamic=False) if compiled else f


def autocast(device: str) -> torch.autocast:
    """The context of mixed precision."""
    return torch.autocast(device, torch.bfloat16)


def job(step: Callable[[], Any], device: str, compiled: bool) -> Job:
    """Builds the job of a step, and runs it once: the first call compiles and searches kernels."""
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
    """Builds a step: gradient, ``before``, update, ``after``."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        before()
        optimizer.step()
        after()

    return step
