"""A table of several runs for the console."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ssl_jax.report.comparison import (
    CROSS,
    MARKS,
    TICK,
    Entry,
    Group,
    Row,
    groups,
    row,
    speed_text,
    spoken,
)
from ssl_jax.report.formatting import DASH, duration, number, percent, printable
from ssl_jax.report.verdicts import ScoreRow

_STYLES = {"ahead": "green", "level": "dim", "behind": "red", "unknown": "dim"}


def tables(entries: Sequence[Entry]) -> list[Table]:
    """Returns one table per data set, with one row per run."""
    return [_table(group) for group in groups(list(map(row, entries)))]


def _table(group: Group) -> Table:
    caption = (
        f"Below each score: the untrained network and the {group.input_name}. {TICK} ahead of "
        f"both, {CROSS} behind one of them, by more than twice the paired standard error."
    )
    if group.labels_differ:
        caption += " The simple classifiers were fitted to the labels counted below each name."
    table = Table(
        box=box.SIMPLE,
        title=Text(printable(group.title), "bold"),
        title_justify="left",
        caption=caption if group.scores else None,
        caption_justify="left",
    )
    table.add_column("run", overflow="fold")
    table.add_column("method", overflow="fold")
    for title in ("steps", "examples/s", "time", *group.scores):
        table.add_column(title, justify="right", max_width=16)
    for title in (*["own task"] * bool(group.own), "embeddings"):
        table.add_column(title, max_width=26)
    for each in group.rows:
        table.add_row(
            _name(each, with_labels=group.labels_differ),
            Text(printable("\n".join(filter(None, (each.method, each.start))))),
            each.progress,
            speed_text(each.speed),
            duration(each.seconds),
            *(_score(each.scores.get(name)) for name in group.scores),
            *[_own(each)] * bool(group.own),
            each.short_health,
        )
    return table


def _name(each: Row, *, with_labels: bool) -> Text:
    state = f"\n{each.state}" if each.state else ""
    labels = f"\n{each.labels}" if with_labels and each.labels else ""
    return Text.assemble(printable(each.name), (state, "yellow"), (labels, "dim"))


def _own(each: Row) -> str:
    return "\n".join(f"{spoken(name)} {number(value)}" for name, value in each.own.items()) or DASH


def _score(score: ScoreRow | None) -> Text:
    if score is None:
        return Text(DASH)
    baselines = f"{percent(score.random_init)} {percent(score.input)}"
    return Text.assemble(
        (percent(score.learned), "bold"),
        (f" {MARKS[score.verdict] or ' '}", _STYLES[score.verdict]),
        (f"\n{baselines}", "dim"),
    )
