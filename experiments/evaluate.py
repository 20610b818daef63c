"""Evaluate a run's last checkpoint again, and rewrite its scores and its page.

python experiments/evaluate.py --workdir runs/simclr [--data_dir /where/tfds/keeps/its/data]
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from ssl_jax import cli


def main() -> None:
    """Loads the run and its data, scores it and writes the page."""
    from ssl_jax import data, load
    from ssl_jax.placement import make_placement
    from ssl_jax.runs.fit import evaluate_run

    workdir = Path(cli.required("workdir"))
    run = load(workdir)
    dataset = data.load_of_run(run.config.data, data_dir=flags.FLAGS.data_dir)
    evaluate_run(run, dataset, workdir, make_placement(), Console(highlight=False))


if __name__ == "__main__":
    cli.define_workdir()
    flags.DEFINE_string(
        "data_dir", None, "where TFDS keeps its data; data_dir in config.json is ignored"
    )
    cli.run(main)
