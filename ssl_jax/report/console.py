"""A table of a run's scores for the console."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ssl_jax.report import collapse
from ssl_jax.report.formatting import percent, points
from ssl_jax.report.page import Page
from ssl_jax.report.verdicts import ScoreRow, own_scores, score_table, verdict


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


def print_transfer(
    console: Console, values: Mapping[str, float], title: str, input_name: str
) -> None:
    """Prints scores on labels and the verdict on them, for data that the run was not trained on.

    Args:
      console: to print to.
      values: with the keys of ``evaluation.json``.
      title: above the table.
      input_name: the raw input in words.
    """
    rows = [
        (row.name, *map(percent, (row.learned, row.random_init, row.input)), _lead(row))
        for row in score_table(values)
    ]
    _print_table(console, title, ("", "learned", "untrained", input_name, "lead"), rows)
    console.print(verdict(values, input_name).headline)


def print_clusters(console: Console, values: Mapping[str, float], input_name: str) -> None:
    """Prints how well the clusters of ``more.clusters`` match the classes."""
    names = {"accuracy": "accuracy, matched", "nmi": "NMI", "ari": "ARI"}
    rows = []
    for part, name in names.items():
        found = _of_each(values, f"kmeans_{part}")
        rows.append(
            (name, *(percent(each) if part == "accuracy" else f"{each:.3f}" for each in found))
        )
    _print_table(console, "k-means", ("", "learned", "untrained", input_name), rows)


def print_label_curve(console: Console, values: Mapping[str, float], input_name: str) -> None:
    """Prints accuracies against labels per class, from ``more.label_curve``."""
    sizes = [key.split("_")[1] for key in values if re.fullmatch(r"labels_\w+_linear_top1", key)]
    for metric, name in (("linear", "linear probe"), ("knn", "k nearest neighbors")):
        rows = []
        for size in sizes:
            key = f"labels_{size}_{metric}_top1"
            shares = zip(_of_each(values, key), _of_each(values, f"{key}_std"), strict=True)
            rows.append((size, *(_with_deviation(*pair) for pair in shares)))
        header = ("labels per class", "learned", "untrained", input_name)
        _print_table(console, f"{name}, mean and deviation of the draws", header, rows)


def print_corruptions(console: Console, values: Mapping[str, float], input_name: str) -> None:
    """Prints accuracies on corrupted pictures, from ``more.corruptions``."""
    keys = {"clean": "uncorrupted_top1"}
    for key in values:
        if found := re.fullmatch(r"corrupted_(\w+)_(\d)_top1", key):
            keys[f"{found[1]} {found[2]}"] = key
    keys["mean"] = "corrupted_top1"
    rows = [(name, *map(percent, _of_each(values, key))) for name, key in keys.items()]
    _print_table(console, "corruptions", ("", "learned", "untrained", input_name), rows)


def print_layers(console: Console, values: Mapping[str, float], layers: Sequence[str]) -> None:
    """Prints the accuracies of single layers, from ``more.each_layer``."""
    rows = []
    for layer in layers:
        keys = [f"layer_{layer}_{metric}_top1" for metric in ("linear", "knn")]
        rows.append((layer, *(percent(each) for key in keys for each in _of_each(values, key)[:2])))
    header = ("layer", "linear probe", "untrained", "nearest neighbors", "untrained")
    _print_table(console, "layers", header, rows)


def _of_each(values: Mapping[str, float], key: str) -> list[float]:
    """Returns a number of the learned features and of both baselines, NaN if missing."""
    return [values.get(prefix + key, math.nan) for prefix in ("", "random_init_", "input_")]


def _with_deviation(share: float, deviation: float) -> str:
    spread = f" ± {points(deviation, '')}" if math.isfinite(deviation) else ""
    return percent(share) + spread


def _lead(row: ScoreRow) -> str:
    return f"{points(row.lead)} ± {points(row.uncertainty, '')}"


def _print_table(
    console: Console, title: str, header: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    table = Table(*header, title=escape(title), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
