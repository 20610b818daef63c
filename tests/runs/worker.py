"""One of the processes of a run on two CPU devices each.

python -m tests.runs.worker WORKDIR PORT INDEX COUNT
"""

import os
import sys

import jax

import ssl_jax
from tests import tiny
from tests.runs import own


def main(workdir: str, port: str, index: str, count: str) -> None:
    """Trains the denoiser of ``tests.runs.own``."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", int(count), int(index))
    assert (jax.process_count(), jax.device_count()) == (int(count), 2 * int(count))
    run = ssl_jax.fit(own.denoiser, tiny.data(), own.config(), workdir=workdir)
    print("ended at step", run.step)


if __name__ == "__main__":
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    main(*sys.argv[1:])
