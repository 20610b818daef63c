"""Compares runs: prints a table, and writes a page that shows them side by side.

python experiments/compare.py runs/* [--output comparison.html]
"""

import sys

from absl import flags

from ssl_jax import cli
from ssl_jax.output import console as make_console
from ssl_jax.paths import expanded


def main(*workdirs: str) -> None:
    """Reads the runs, prints the table, and writes the page."""
    from ssl_jax.runs.compare import compare

    console = make_console(width=None if sys.stdout.isatty() else 160)
    compare(list(map(expanded, workdirs)), expanded(cli.required("output")), console)


if __name__ == "__main__":
    flags.DEFINE_string("output", "comparison.html", "the page to write")
    cli.run(main, several="the workdirs of runs, such as runs/*")
