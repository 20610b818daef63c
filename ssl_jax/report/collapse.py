"""Tells from the metrics of a run whether its embeddings collapsed.

The metrics are those of ``methods.common.vitals``. Of a method that logs none, only the rank of the
features is known.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

Row = Mapping[str, float]
_SHARE_OF_SPHERE = 0.1  # of the standard deviation of embeddings spread over the whole sphere
_RANK_OF_A_LINE = 1.5  # 1, and a margin for rounding
_SHARE_OF_UNIFORM = 0.99  # of the entropy of uniform targets
_ONE_PROTOTYPE = 1.5
_NEAR_CHANCE = 0.005
_STALLED_ROWS = 3  # a single skipped update is not a problem


class Verdict(NamedTuple):
    """Whether a run is healthy, and one line that says why."""

    healthy: bool
    text: str


class _Problem(NamedTuple):
    """A problem that a row of metrics shows.

    Attributes:
      in_row: whether a row shows it.
      describe: ``(last row, "since step ...") -> text``.
    """

    in_row: Callable[[Row], bool]
    describe: Callable[[Row, str], str]


def verdict(rows: Sequence[Row], values: Mapping[str, float]) -> Verdict:
    """Says whether the embeddings are healthy.

    Args:
      rows: of ``metrics.jsonl``, in order.
      values: ``evaluation.json``, or what there is of it.

    Returns:
      The first problem that the last finite row shows, with the step since when all finite rows
      show it; skipped updates come first. Without a problem, "healthy" and the rank.
    """
    if len(rows) >= _STALLED_ROWS and all(map(_is_skipped, rows[-_STALLED_ROWS:])):
        return Verdict(
            False,
            f"stalled {_since(rows, _is_skipped)}: updates are skipped because the loss or its "
            "gradient is not finite; lower optimizer.learning_rate",
        )
    rows = [row for row in rows if all(map(math.isfinite, row.values()))]
    for problem in _PROBLEMS:
        if rows and problem.in_row(rows[-1]):
            return Verdict(False, problem.describe(rows[-1], _since(rows, problem.in_row)))
    ranks = ", ".join(_ranks(rows, values))
    return Verdict(True, f"healthy: {ranks}" if ranks else "healthy")


def _since(rows: Sequence[Row], in_row: Callable[[Row], bool]) -> str:
    """Says since which step all rows show a problem."""
    start = len(rows)
    while start and in_row(rows[start - 1]):
        start -= 1
    return f"since step {rows[start]['step']:.0f}" if start else "from the first step on"


def _ranks(rows: Sequence[Row], values: Mapping[str, float]) -> Iterator[str]:
    if rows and "embedding_rank" in rows[-1]:
        yield f"rank {rows[-1]['embedding_rank']:.0f} of {rows[-1]['embedding_size']:.0f}"
    elif {"rankme", "features"} <= values.keys():
        yield f"rank {values['rankme']:.0f} of {values['features']:.0f} features"
    if rows and "prototypes" in rows[-1]:
        used, count = rows[-1]["prototypes_used"], rows[-1]["prototypes"]
        yield f"{used:.0f} of {count:.0f} prototypes used"


def _is_skipped(row: Row) -> bool:
    return row.get("skipped", 0) > 0


def _is_uniform(row: Row) -> bool:
    log_k = math.log(row.get("prototypes", 1))
    return log_k > 0 and row["target_entropy"] > _SHARE_OF_UNIFORM * log_k


def _uses_one_prototype(row: Row) -> bool:
    return row.get("prototypes", 0) > 2 and row["prototypes_used"] < _ONE_PROTOTYPE


def _has_one_direction(row: Row) -> bool:
    size = row.get("embedding_size", 0)
    return size > 1 and row["embedding_std"] * math.sqrt(size) < _SHARE_OF_SPHERE


def _is_a_line(row: Row) -> bool:
    return row.get("embedding_size", 0) > 2 and row["embedding_rank"] < _RANK_OF_A_LINE


def _is_at_chance(row: Row) -> bool:
    chance = row.get("chance_loss", math.inf)
    return math.isfinite(chance) and abs(row["loss"] - chance) < _NEAR_CHANCE * chance


_PROBLEMS = (
    _Problem(
        _is_uniform,
        lambda row, since: (
            f"uniform {since}: the output is the same for all {row['prototypes']:.0f} prototypes "
            f"(loss {row['loss']:.4f}, ln {row['prototypes']:.0f} = "
            f"{math.log(row['prototypes']):.4f}); lower method.teacher_temperature or "
            "method.center_momentum"
        ),
    ),
    _Problem(
        _uses_one_prototype,
        lambda row, since: (
            f"collapsed {since}: every example chooses the same of {row['prototypes']:.0f} "
            f"prototypes ({row['prototypes_used']:.2f} used); raise method.teacher_temperature, "
            "and check that the center is subtracted"
        ),
    ),
    _Problem(
        _has_one_direction,
        lambda row, since: (
            f"collapsed {since}: every embedding points the same way "
            f"(std {row['embedding_std']:.2g}; spread over the whole sphere, it would be "
            f"{1 / math.sqrt(row['embedding_size']):.2g})"
        ),
    ),
    _Problem(
        _is_a_line,
        lambda row, since: (
            f"collapsed {since}: all embeddings lie on a line "
            f"(rank {row['embedding_rank']:.2f} of {row['embedding_size']:.0f})"
        ),
    ),
    _Problem(
        _is_at_chance,
        lambda row, since: (
            f"uniform {since}: the output ignores the input (loss {row['loss']:.4f}, by chance "
            f"{row['chance_loss']:.4f}); try another optimizer.learning_rate"
        ),
    ),
)
