"""Computes what accelerators are compared with, in a process that uses the CPU.

python -m tests.gpu.reference OUTPUT.npz [WORKDIR]
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def every_loss() -> dict[str, np.ndarray]:
    """Returns the value and gradient of each loss on fixed inputs."""
    import jax

    from tests.losses import test_composable as cases

    found = {}
    for name in cases.CASES:
        shape = jax.eval_shape(cases.CASES[name][0], jax.random.key(0)).shape
        inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        value, gradient = jax.jit(jax.value_and_grad(cases.scalar(name)))(inputs)
        found[f"{name} value"], found[f"{name} gradient"] = np.array(value), np.array(gradient)
    return found


def features(workdir: str) -> dict[str, np.ndarray]:
    """Returns the features of a run's first test images."""
    from ssl_jax import data, load

    run = load(workdir)
    images = data.load(run.config.data).test.take(np.arange(64))["image"]
    return {"features": run.embed(images)}


def on_the_cpu(output: Path, *workdir: Path) -> dict[str, np.ndarray]:
    """Runs this file in another process and returns what it computed."""
    subprocess.run(
        [sys.executable, "-m", "tests.gpu.reference", str(output), *map(str, workdir)],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        check=True,
    )
    return dict(np.load(output))


if __name__ == "__main__":
    np.savez(sys.argv[1], **(features(sys.argv[2]) if len(sys.argv) > 2 else every_loss()))
