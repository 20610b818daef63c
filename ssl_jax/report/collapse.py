"""A verdict on collapse, in words, from the vital signs that a method wrote as it trained.

The signs are those of ``methods.common.vitals``. A method that writes none is judged by the rank of
its features alone.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

Row = Mapping[str, float]
_SHARE_OF_SPHERE = 0.1  # of the deviation that embeddings all over the sphere have
_LINE = 1.5  # rank of what is a line but for rounding
_SHARE_OF_UNIFORM = 0.99
_ONE_PROTOTYPE = 1.5
_NEAR_CHANCE = 0.005
_STALLED = 3  # rows; a single bad update is not an ill


class Verdict(NamedTuple):
    """Whether a run is healthy, and a line that says why."""

    healthy: bool
    text: str


def verdict(rows: Sequence[Row], values: Mapping[str, float]) -> Verdict:
    """What became of the embeddings.

    Args:
      rows: of ``metrics.jsonl``, in order.
      values: ``evaluation.json``, or what there is of it.

    Returns:
      That updates are left out, if they are; else the first ill that the last row shows, with the
      step since when all rows show it; without one "healthy" and the rank.
    """
    if len(rows) >= _STALLED and all(map(_left_out, rows[-_STALLED:])):
        return Verdict(
            False,
            f"stalled {_since(rows, _left_out)}: updates are left out, as the loss or its gradient "
            "is not finite; lower optimizer.learning_rate",
        )
    rows = [row for row in rows if all(map(math.isfinite, row.values()))]
    for ill, words in _ILLS:
        if rows and ill(rows[-1]):
            return Verdict(False, words(rows[-1], _since(rows, ill)))
    ranks = ", ".join(_ranks(rows, values))
    return Verdict(True, f"healthy: {ranks}" if ranks else "healthy")


def _since(rows: Sequence[Row], ill: Callable[[Row], bool]) -> str:
    """Since which row all show the ill, in words."""
    start = len(rows)
    while start and ill(rows[start - 1]):
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


def _one_direction(row: Row) -> bool:
    size = row.get("embedding_size", 0)
    return size > 1 and row["embedding_std"] * math.sqrt(size) < _SHARE_OF_SPHERE


def _one_line(row: Row) -> bool:
    return row.get("embedding_size", 0) > 2 and row["embedding_rank"] < _LINE


def _uniform_targets(row: Row) -> bool:
    log_k = math.log(row.get("prototypes", 1))
    return log_k > 0 and row["target_entropy"] > _SHARE_OF_UNIFORM * log_k


def _one_prototype(row: Row) -> bool:
    return row.get("prototypes", 0) > 2 and row["prototypes_used"] < _ONE_PROTOTYPE


def _left_out(row: Row) -> bool:
    return row.get("skipped", 0) > 0


def _at_chance(row: Row) -> bool:
    chance = row.get("chance_loss", math.inf)
    return math.isfinite(chance) and abs(row["loss"] - chance) < _NEAR_CHANCE * chance


_ILLS: tuple[tuple[Callable[[Row], bool], Callable[[Row, str], str]], ...] = (
    (
        _uniform_targets,
        lambda row, since: (
            f"uniform {since}: the output is the same for all {row['prototypes']:.0f} prototypes "
            f"(loss {row['loss']:.4f}, ln {row['prototypes']:.0f} = "
            f"{math.log(row['prototypes']):.4f}); lower method.teacher_temperature or "
            "method.center_momentum"
        ),
    ),
    (
        _one_prototype,
        lambda row, since: (
            f"collapsed {since}: every example chooses the same of {row['prototypes']:.0f} "
            f"prototypes ({row['prototypes_used']:.2f} used); raise method.teacher_temperature, "
            "and see that the centre is subtracted"
        ),
    ),
    (
        _one_direction,
        lambda row, since: (
            f"collapsed {since}: every embedding points the same way "
            f"(std {row['embedding_std']:.2g}, all over the sphere it would be "
            f"{1 / math.sqrt(row['embedding_size']):.2g})"
        ),
    ),
    (
        _one_line,
        lambda row, since: (
            f"collapsed {since}: all embeddings lie on a line "
            f"(rank {row['embedding_rank']:.2f} of {row['embedding_size']:.0f})"
        ),
    ),
    (
        _at_chance,
        lambda row, since: (
            f"uniform {since}: the output says nothing of the input (loss {row['loss']:.4f}, "
            f"by chance {row['chance_loss']:.4f}); try another optimizer.learning_rate"
        ),
    ),
)
