"""Time ours beside its peers, in one run, side by side.

python experiments/benchmark.py losses --output losses.json

Tables: losses, augment, conv, step, input, start, scaling, and gpu for an accelerator, whose parts
--sections chooses. Peers (PyTorch, torchvision, lightly; timm for gpu) come with
pip install -e '.[bench]'; those that are not installed are left out. The saved JSON has one row a
piece of work, precision and peer.
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
    """Race, print, save."""
    from experiments.benchmarks import report

    benchmark = importlib.import_module(f"experiments.benchmarks.{table}")
    output, sections = flags.FLAGS.output, flags.FLAGS.sections
    if table == "gpu":
        rows = partial(benchmark.rows, sections=benchmark.chosen(sections))
        benchmark.check_device()
        report.show(table, rows, output, each=benchmark.printed)
    elif sections:
        raise InputError(f"--sections: {table} has none; expected it with the table gpu")
    else:
        report.show(table, benchmark.rows, output)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also of the contestants
    flags.DEFINE_string("output", None, "a file for the rows, as JSON")
    flags.DEFINE_list("sections", [], "parts of the table gpu, by name; by default all")
    cli.run(main, words=TABLES)
