"""Puts runs side by side: a table on the console, and a page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ssl_jax.report import comparison_page, comparison_table, templates
from ssl_jax.runs.entries import read_runs


def compare(workdirs: Sequence[Path], output: Path, console: Console) -> None:
    """Prints a table of runs and writes a page that shows them side by side.

    Args:
      workdirs: of the runs, finished or not.
      output: the page to write.
      console: gets the table.

    Raises:
      InputError: a folder holds no run, or the page cannot be written.
    """
    entries = read_runs(workdirs)
    for table in comparison_table.tables(entries):
        console.print(table)
    templates.save(output, comparison_page.render(entries))
    console.print(f"see {output}", soft_wrap=True, markup=False)
