"""What a benchmark prints and saves: the machine, the versions, and one row per peer."""

import datetime
import functools
import json
import os
import platform
import shutil
import subprocess
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
from ssl_jax.paths import expanded

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "torch", "torchvision", "timm", "lightly")
_DEVICES = """
import json, jax
devices = jax.devices()
print(json.dumps({
    "backend": jax.default_backend(),
    "devices": f"{len(devices)} x {devices[0].device_kind}",
    "runtime": devices[0].client.platform_version,
}))
"""


def show(
    table: str,
    rows: Callable[[Track], Iterator[Any]],
    output: str | None,
    each: Callable[[list[dict[str, Any]]], Table] | None = None,
) -> None:
    """Runs a table's races with a progress line, and prints the rows.

    Args:
      table: the table's name.
      rows: takes a track; yields the description of each race (str), then its rows (list).
      output: JSON file for the machine and the rows, written after each race; None saves nothing.
      each: builds a table of one race's rows, which is printed after that race. By default all rows
        are printed in one table at the end.

    Raises:
      InputError: the folder of ``output`` does not exist.
    """
    path = expanded(output) if output else None
    if path and not path.resolve().parent.is_dir():
        raise InputError(
            f"--output: {path}: the folder {path.parent} does not exist; expected one that does"
        )
    width = None if sys.stdout.isatty() else 120
    console, done = Console(highlight=False, width=width), []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    facts = machine()
    with track() as lanes, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(table)
        for item in rows(lanes):
            if isinstance(item, str):
                progress.update(task, description=item)
                continue
            done += item
            if path:
                saved = {"table": table, "machine": facts, "rows": done}
                path.write_text(json.dumps(saved, indent=1))
            if each:
                console.print(each(item))
    caption = ", ".join(f"{k} {v}" for k, v in facts.items())
    console.print(caption if each else _table(table, done, caption))


@functools.cache
def accelerator() -> dict[str, str]:
    """Asks a separate process about JAX's devices, so that this process occupies none.

    Returns:
      ``backend``: the default backend, such as ``gpu``; ``devices``: their number and kind;
      ``runtime``: the version of the backend's own library.

    Raises:
      InputError: JAX finds no device.
    """
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-c", _DEVICES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(
            f"JAX finds no device: {done.stderr.strip().splitlines()[-1]}; expected one"
        )
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> dict[str, str]:
    """Returns the processor, the accelerator if there is one, the versions, and the date."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.processor(),
    )
    facts = {"cpu": f"{os.cpu_count()} x {cpu}", **_accelerator_facts()}
    facts["Python"] = platform.python_version()
    for package in _PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return facts | {"date": datetime.date.today().isoformat()}


def _accelerator_facts() -> dict[str, str]:
    found = accelerator()
    if found["backend"] == "cpu":
        return {}
    facts = {"accelerator": found["devices"], "runtime": " ".join(found["runtime"].split())}
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode == 0:
            facts["driver"] = asked.stdout.split()[0]
    return facts


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
