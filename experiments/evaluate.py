"""Evaluate a run's last checkpoint again, and write its scores and its page anew.

python experiments/evaluate.py --workdir runs/simclr
"""

from pathlib import Path

from rich.console import Console

from ssl_jax import cli


def main() -> None:
    """Load the run and its data, score, write."""
    from ssl_jax import data, load
    from ssl_jax.train.fit import evaluate_run

    workdir = Path(cli.required("workdir"))
    run = load(workdir)
    evaluate_run(run, data.load(run.config.data), workdir, Console(highlight=False))


if __name__ == "__main__":
    cli.define_workdir()
    cli.run(main)
