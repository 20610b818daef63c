"""Declarations of settings, kept beside the code that reads them.

A method, the networks, the data, the optimizers, the loop and the evaluation each have a table
``SETTINGS`` of names and declarations::

    SETTINGS = {
        "temperature": settings.real(0.1, "softmax temperature", above=0),
        "projector": settings.widths((2048, 128), "widths of the projector's layers"),
    }

``ssl_jax.config`` collects the tables. Defaults, checks, ``docs/settings.md`` and the settings in
the report all come from them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ssl_jax.errors import InputError

Values = Mapping[str, Any]


class Setting(NamedTuple):
    """One setting.

    Attributes:
      default: its value unless a config changes it.
      meaning: one line for docs and the report.
      type: ``bool``, ``int``, ``float``, ``str`` or ``tuple``.
      expected: what is accepted, in words.
      accepts: tells whether a value of the type is accepted.
      optional: whether None is accepted too.
      earlier: computes the value that runs were made with before the setting existed, from the
        other settings of its block; None stands for the default.
    """

    default: Any
    meaning: str
    type: type
    expected: str
    accepts: Callable[[Any], bool]
    optional: bool = False
    earlier: Callable[[Values], Any] | None = None


def real(
    default: float | None,
    meaning: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    optional: bool = False,
    earlier: Callable[[Values], Any] | None = None,
) -> Setting:
    """Declares a number within bounds."""
    bounds = _Bounds(above, at_least, below, at_most)
    expected = bounds.words("a number")
    return Setting(default, meaning, float, expected, bounds.hold, optional, earlier)


def share(default: float, meaning: str) -> Setting:
    """Declares a number from 0 to 1, such as a probability."""
    return real(default, meaning, at_least=0, at_most=1)


def integer(
    default: int | None,
    meaning: str,
    *,
    at_least: int,
    at_most: int | None = None,
    multiple_of: int = 1,
    optional: bool = False,
    earlier: Callable[[Values], Any] | None = None,
) -> Setting:
    """Declares a whole number within bounds."""
    bounds = _Bounds(at_least=at_least, at_most=at_most)
    noun = "a whole number" if multiple_of == 1 else f"a multiple of {multiple_of}"

    def accepts(value: int) -> bool:
        return bounds.hold(value) and value % multiple_of == 0

    return Setting(default, meaning, int, bounds.words(noun), accepts, optional, earlier)


def flag(default: bool, meaning: str, *, earlier: Callable[[Values], Any] | None = None) -> Setting:
    """Declares a switch: True or False."""
    return Setting(default, meaning, bool, "True or False", lambda _: True, earlier=earlier)


def text(default: str | None, meaning: str, *, optional: bool = False) -> Setting:
    """Declares a string."""
    return Setting(default, meaning, str, "a string that is not empty", bool, optional)


def choice(
    default: Any,
    meaning: str,
    options: Sequence[Any],
    *,
    optional: bool = False,
    earlier: Callable[[Values], Any] | None = None,
) -> Setting:
    """Declares a choice among a few values of the same type."""
    expected = f"one of {', '.join(map(str, options))}"
    kind = type(options[0])
    return Setting(default, meaning, kind, expected, lambda x: x in options, optional, earlier)


def widths(default: Sequence[int], meaning: str, *, may_be_empty: bool = False) -> Setting:
    """Declares the widths of some layers."""
    expected = "whole numbers of at least 1" + (", or none" if may_be_empty else "")

    def accepts(value: Sequence[Any]) -> bool:
        whole = all(_has_type(width, int) and width >= 1 for width in value)
        return whole and (may_be_empty or len(value) > 0)

    return Setting(tuple(default), meaning, tuple, expected, accepts)


def area(default: tuple[float, float], meaning: str) -> Setting:
    """Declares the smallest and the largest share of an image's area."""

    def accepts(value: Sequence[Any]) -> bool:
        return _numbers(value) and len(value) == 2 and 0 < value[0] <= value[1] <= 1

    expected = "two shares of the image, 0 < smallest <= largest <= 1"
    return Setting(default, meaning, tuple, expected, accepts)


def per_channel(meaning: str, *, above: float | None = None) -> Setting:
    """Declares one number per channel of an image; None until the data is known."""
    bounds = _Bounds(above=above)

    def accepts(value: Sequence[Any]) -> bool:
        return _numbers(value) and len(value) > 0 and all(map(bounds.hold, value))

    expected = f"{bounds.words('one number')} per channel"
    return Setting(None, meaning, tuple, expected, accepts, optional=True)


def intervals(meaning: str) -> Setting:
    """Declares one or more ranges of numbers, as their ends in a row; None until they are known."""

    def accepts(value: Sequence[Any]) -> bool:
        pairs = _numbers(value) and len(value) >= 2 and len(value) % 2 == 0
        return pairs and all(low < high for low, high in zip(value[::2], value[1::2], strict=True))

    expected = "pairs of numbers, smallest < largest"
    return Setting(None, meaning, tuple, expected, accepts, optional=True)


def names(default: Sequence[str], meaning: str, *, may_be_empty: bool = False) -> Setting:
    """Declares a list of layer names."""

    def accepts(value: Sequence[Any]) -> bool:
        return all(isinstance(name, str) for name in value) and (may_be_empty or len(value) > 0)

    return Setting(tuple(default), meaning, tuple, "layer names", accepts)


def several(default: Sequence[str], meaning: str, options: Sequence[str]) -> Setting:
    """Declares one or more different strings among a few."""
    expected = f"some of {', '.join(options)}, each once"

    def accepts(value: Sequence[Any]) -> bool:
        return 0 < len(value) == len(set(value)) and all(x in options for x in value)

    return Setting(tuple(default), meaning, tuple, expected, accepts)


def numbers(default: Sequence[float], meaning: str, *, at_least: float) -> Setting:
    """Declares a list of numbers within bounds."""
    bounds = _Bounds(at_least=at_least)

    def accepts(value: Sequence[Any]) -> bool:
        return _numbers(value) and len(value) > 0 and all(map(bounds.hold, value))

    return Setting(tuple(default), meaning, tuple, bounds.words("numbers"), accepts)


def betas(default: tuple[float, float], meaning: str) -> Setting:
    """Declares the decay rates of two moving averages."""

    def accepts(value: Sequence[Any]) -> bool:
        return _numbers(value) and len(value) == 2 and 0 <= min(value) <= max(value) < 1

    return Setting(default, meaning, tuple, "two numbers of at least 0 and below 1", accepts)


def check_value(key: str, value: Any, setting: Setting) -> None:
    """Checks the value of one setting.

    Raises:
      InputError: the value is not accepted; names the key, the value and what was expected.
    """
    if value is None and setting.optional:
        return
    if not _has_type(value, setting.type) or not setting.accepts(value):
        raise InputError(f"{key}: {value!r}; expected {setting.expected}")


def _has_type(value: Any, kind: type) -> bool:
    """Returns whether a value has the type. An int counts as a float; a bool is not a number."""
    if kind is tuple:
        return isinstance(value, tuple | list)
    if kind is float:
        return _is_number(value)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)


def _numbers(values: Sequence[Any]) -> bool:
    return all(map(_is_number, values))


def _is_number(value: Any) -> bool:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


class _Bounds(NamedTuple):
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def hold(self, value: float) -> bool:
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def words(self, noun: str) -> str:
        """Describes the bounds, as in ``a number of at least 0 and below 1``."""
        if self.at_least is not None and self.at_most is not None:
            return f"{noun} from {_plain(self.at_least)} to {_plain(self.at_most)}"
        bounds = (
            ("above", self.above),
            ("of at least", self.at_least),
            ("below", self.below),
            ("of at most", self.at_most),
        )
        parts = [f"{word} {_plain(bound)}" for word, bound in bounds if bound is not None]
        return " ".join([noun, " and ".join(parts)]).strip()


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
