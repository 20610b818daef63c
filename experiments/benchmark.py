"""Time ours beside its peers, in one run, side by side.

python experiments/benchmark.py losses --output losses.json

Tables: losses, augment, conv, step, input, start, scaling. Peers (PyTorch, torchvision, lightly)
come with pip install -e '.[bench]'; those that are not installed are left out. The saved JSON has
one row a piece of work, precision and peer.
"""

import importlib

from absl import flags

from ssl_jax import cli

TABLES = ("losses", "augment", "conv", "step", "input", "start", "scaling")


def main(table: str) -> None:
    """Race, print, save."""
    from experiments.benchmarks import report

    rows = importlib.import_module(f"experiments.benchmarks.{table}").rows
    report.show(table, rows, output=flags.FLAGS.output)


if __name__ == "__main__":
    flags.DEFINE_string("output", None, "a file for the rows, as JSON")
    cli.run(main, words=TABLES)
