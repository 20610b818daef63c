"""A table of a run's scores for the console."""

from rich.console import Console
from rich.table import Table

from ssl_jax.report import collapse
from ssl_jax.report.formatting import percent, points
from ssl_jax.report.page import Page
from ssl_jax.report.verdicts import own_scores, score_table, verdict


def print_scores(console: Console, page: Page) -> None:
    """Prints the verdict on collapse, the method's own scores, and a table of scores on labels."""
    console.print(collapse.verdict(page.metrics, page.values).text)
    for name, value in own_scores(page.values).items():
        console.print(f"{name.replace('_', ' ')} {value:.4g}")
    rows = score_table(page.values)
    if not rows:
        return
    table = Table("", "learned", "untrained", page.input_name, "lead")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        shares = (row.learned, row.random_init, row.input)
        lead = f"{points(row.lead)} ± {points(row.uncertainty, '')}"
        table.add_row(row.name, *map(percent, shares), lead)
    console.print(table)
    console.print(verdict(page.values, page.input_name).headline)
