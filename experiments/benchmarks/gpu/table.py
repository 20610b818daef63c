"""The rows of a race on an accelerator, and the table that is printed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from experiments.benchmarks.gpu import heat
from experiments.benchmarks.gpu.job import Measured
from experiments.benchmarks.race import Contestant

Row = dict[str, Any]


class Chip(NamedTuple):
    """The device.

    Attributes:
      cuda: whether it runs CUDA, so that PyTorch can use it and processes can share it.
      rate: FLOP/s in large bfloat16 products, or None if not measured.
    """

    cuda: bool
    rate: float | None


class Piece(NamedTuple):
    """A workload: its description, its precision, and its images and FLOPs per step, if any."""

    work: str
    precision: str
    images: int | None
    flops: float | None


def race(
    piece: Piece, chip: Chip, until: float, ours: Contestant, peers: Sequence[Contestant]
) -> list[Row]:
    """Races ours and the peers and returns one row per peer; PyTorch runs on CUDA only."""
    contestants = [ours, *(peer for peer in peers if chip.cuda or "PyTorch" not in peer.name)]
    outcomes = heat.run(contestants, until, together=chip.cuda)
    return rows(piece, chip, ours.name, outcomes)


def rows(piece: Piece, chip: Chip, ours: str, outcomes: Mapping[str, Measured | str]) -> list[Row]:
    """Returns one row per peer, with its time over ours; one row of ours alone if no peer ran.

    A failed contestant has no numbers; ``ours_failure`` or ``peer_failure`` says why.
    """
    mine = _side("ours", ours, outcomes[ours], piece, chip)
    peers: list[tuple[str | None, Measured | str | None]]
    peers = [pair for pair in outcomes.items() if pair[0] != ours] or [(None, None)]
    found = []
    for name, outcome in peers:
        row: Row = {"work": piece.work, "precision": piece.precision, "flops": piece.flops}
        row |= mine | _side("peer", name, outcome, piece, chip)
        both = row["ours"] is not None and row["peer"] is not None
        found.append(row | {"ratio": row["peer"] / row["ours"] if both else None})
    return found


def _side(
    side: str, name: str | None, outcome: Measured | str | None, piece: Piece, chip: Chip
) -> Row:
    measured = outcome if isinstance(outcome, Measured) else None
    seconds = measured and measured.seconds
    share = None
    if seconds and piece.flops and chip.rate:
        share = piece.flops / seconds / chip.rate
    return {
        f"{side}_name": name,
        side: seconds,
        f"{side}_failure": outcome if isinstance(outcome, str) else None,
        f"{side}_images_per_second": piece.images / seconds if seconds and piece.images else None,
        f"{side}_matrix_share": share,
        f"{side}_peak_megabytes": measured and measured.peak_megabytes,
        f"{side}_compile_seconds": measured and measured.compile_seconds,
        f"{side}_megabytes": measured and measured.temporary_megabytes,
    }


def printed(found: list[Row]) -> Table:
    """Returns a table of one race with one line per contestant."""
    first = found[0]
    table = Table(title=f"{first['work']}, {first['precision']}", title_justify="left")
    for heading in ("", "ms", "images/s", "peak MB", "matrix share", "compile s", "peer / ours"):
        table.add_column(heading, justify="right" if heading else "left")
    sides = [("ours", first), *(("peer", row) for row in found if row["peer_name"])]
    for side, row in sides:
        share = row[f"{side}_matrix_share"]
        ratio = row["ratio"] if side == "peer" else None
        table.add_row(
            row[f"{side}_name"],
            row[f"{side}_failure"] or _number(row[side], 1e3),
            _number(row[f"{side}_images_per_second"]),
            _number(row[f"{side}_peak_megabytes"]),
            "" if share is None else f"{100 * share:.1f} %",
            _number(row[f"{side}_compile_seconds"]),
            "" if ratio is None else f"{ratio:.2f}",
        )
    return table


def _number(x: float | None, unit: float = 1.0) -> str:
    return "" if x is None else f"{x * unit:.3g}" if x * unit < 100 else f"{x * unit:,.0f}"
