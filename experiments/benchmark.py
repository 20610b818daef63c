"""Time ssl_jax against its peers in one run.

python experiments/benchmark.py losses --output losses.json

Tables: losses, augment, conv, step, input, start, scaling and gpu. The table gpu needs an
accelerator; --sections chooses parts of it. pip install -e '.[bench]' installs the peers (PyTorch,
torchvision, lightly; timm for gpu); a peer that is not installed is left out. The saved JSON has
one row per workload, precision and peer.
"""

import importlib
import sys
from functools import partial
from pathlib import Path

from absl import flags

from ssl_jax import cli
from ssl_jax.errors import InputError

TABLES = ("losses", "augment", "conv", "step", "input", "start", "scaling", "gpu")


def main(table: str) -> None:
    """Runs one table, prints it and saves it."""
    from experiments.benchmarks import report

    benchmark = importlib.import_module(f"experiments.benchmarks.{table}")
    output, sections = flags.FLAGS.output, flags.FLAGS.sections
    if table == "gpu":
        rows = partial(benchmark.rows, sections=benchmark.chosen(sections))
        benchmark.check_device()
        report.show(table, rows, output, each=benchmark.printed)
    elif sections:
        raise InputError(f"--sections: {table} has no sections; expected the table gpu")
    else:
        report.show(table, benchmark.rows, output)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # contestants inherit it
    flags.DEFINE_string("output", None, "JSON file for the rows")
    flags.DEFINE_list("sections", [], "parts of the table gpu to run; all by default")
    cli.run(main, words=TABLES)
