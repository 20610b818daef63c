"""How well a method solves the task that it was trained for, on test examples."""

from collections.abc import Mapping
from typing import NamedTuple

from ssl_jax.report.formatting import number, percent
from ssl_jax.report.verdicts import own_scores

_TEST = "test_"
_SHARES = ("accuracy", "chance", "top5")


class OwnTask(NamedTuple):
    """A table.

    Attributes:
      yardsticks: titles of the columns after the first two.
      rows: the name of a score, the method's, and each yardstick's; empty where there is none.
    """

    yardsticks: list[str]
    rows: list[tuple[str, list[str]]]


def own_task(values: Mapping[str, float]) -> OwnTask | None:
    """Returns the method's own scores, each beside its yardsticks; None if there are none.

    ``test_hole_mse_nearest`` is a yardstick of ``test_hole_mse``, since its name starts with that.

    Args:
      values: the content of ``evaluation.json``.
    """
    return beside_yardsticks(own_scores(values))


def beside_yardsticks(own: Mapping[str, float]) -> OwnTask | None:
    """Returns the table of ``own_task`` from scores that are all the method's own."""
    own = {name.removeprefix(_TEST): value for name, value in own.items()}
    base = {name: _base(name, own) for name in own}
    endings = list(dict.fromkeys(name[len(of) :] for name, of in base.items() if of != name))
    rows = []
    for name in dict.fromkeys(base.values()):
        found = [own.get(name + ending) for ending in ("", *endings)]
        rows.append((_words(name), ["" if x is None else _written(name, x) for x in found]))
    return OwnTask([_words(ending) for ending in endings], rows) if rows else None


def _base(name: str, names: Mapping[str, float]) -> str:
    """Returns the score that a score is a yardstick of, or its own name."""
    return min((each for each in names if f"{name}_".startswith(f"{each}_")), key=len)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("/", ", ").strip()


def _written(name: str, value: float) -> str:
    return percent(value) if name.endswith(_SHARES) else number(value)
