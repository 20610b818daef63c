"""Compares runs: prints a table, and writes a page that shows them side by side.

python experiments/compare.py runs/* [--output comparison.html]
"""

import sys
from pathlib import Path

from absl import flags
from rich.console import Console

from ssl_jax import cli


def main(*workdirs: str) -> None:
    """Reads the runs, prints the table, and writes the page."""
    from ssl_jax.report import comparison_page, comparison_table, templates
    from ssl_jax.runs.entries import read_runs

    output = Path(cli.required("output"))
    entries = read_runs([Path(workdir) for workdir in workdirs])
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    for table in comparison_table.tables(entries):
        console.print(table)
    templates.save(output, comparison_page.render(entries))
    console.print(f"see {output}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    flags.DEFINE_string("output", "comparison.html", "the page to write")
    cli.run(main, several="the workdirs of runs, such as runs/*")
