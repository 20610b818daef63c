"""What a benchmark prints and saves: the machine, the versions, a row a peer."""

import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from experiments.benchmarks.race import Track, track
from ssl_jax.errors import InputError

_PACKAGES = ("jax", "flax", "optax", "torch", "torchvision", "lightly")


def show(table: str, rows: Callable[[Track], Iterator[Any]], output: str | None) -> None:
    """Run a table's races, with what is raced now in a line, and print its rows.

    Args:
      table: its name.
      rows: on a track, yields what it is about to race (a text), then the rows of that (a list).
      output: a JSON file to save the machine and the rows in; None saves nothing.
    """
    path = Path(output) if output else None
    if path and not path.resolve().parent.is_dir():
        raise InputError(f"--output: {path}: there is no folder {path.parent}; expected one")
    width = None if sys.stdout.isatty() else 120
    console, done = Console(highlight=False, width=width), []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with track() as lanes, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(table)
        for item in rows(lanes):
            if isinstance(item, str):
                progress.update(task, description=item)
            else:
                done += item
    facts = machine()
    console.print(_table(table, done, ", ".join(f"{k} {v}" for k, v in facts.items())))
    if path:
        path.write_text(json.dumps({"table": table, "machine": facts, "rows": done}, indent=1))


def machine() -> dict[str, str]:
    """The processor, what runs on it, and the date."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.processor(),
    )
    facts = {"cpu": f"{os.cpu_count()} x {cpu}", "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return facts | {"date": datetime.date.today().isoformat()}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _table(title: str, rows: list[dict[str, Any]], caption: str) -> Table:
    table = Table(title=title, caption=caption)
    for heading in ("work", "precision", "ours", "ms", "MB", "peer", "ms", "MB", "ratio"):
        table.add_column(
            heading, justify="left" if heading in ("work", "ours", "peer") else "right"
        )
    grown = any("growth" in row for row in rows)
    if grown:
        table.add_column("growth")
    for row in rows:
        table.add_row(
            row["work"],
            row["precision"],
            row["ours_name"],
            _number(row["ours"], 1e3),
            _number(row["ours_megabytes"]),
            row["peer_name"] or "",
            _number(row["peer"], 1e3),
            _number(row["peer_megabytes"]),
            "" if row["ratio"] is None else f"{row['ratio']:.2f}",
            *([row["growth"]] if grown else []),
        )
    return table


def _number(x: float | None, unit: float = 1.0) -> str:
    return "" if x is None else f"{x * unit:.3g}" if x * unit < 100 else f"{x * unit:.0f}"
