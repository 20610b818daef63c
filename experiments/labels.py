"""Measure how many labels pretraining saves, and write docs/labels.json, a figure and a table.

python experiments/labels.py --workdir runs/simclr [--steps 400]
"""

import sys
from pathlib import Path

from absl import flags

from ssl_jax import cli
from ssl_jax.paths import expanded

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measures, and writes the results."""
    from experiments.results import labels, pages, record
    from ssl_jax.runs.workdir import write_json

    workdir = expanded(cli.required("workdir"))
    study = labels.measure(workdir, flags.FLAGS.steps, lambda line: print(line, flush=True))
    write_json(ROOT / "docs/labels.json", study | record.provenance() | {"run": workdir.name})
    pages.write(ROOT)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    cli.define_workdir()
    flags.DEFINE_integer("steps", 400, "training steps of each classifier", lower_bound=1)
    cli.run(main)
