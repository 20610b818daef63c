"""Setting declarations: the values that each accepts, and how it describes them."""

import math

import pytest

from ssl_jax import settings
from ssl_jax.errors import InputError

M = "a meaning"


@pytest.mark.parametrize(
    ("setting", "expected", "good", "bad"),
    [
        (settings.real(1.0, M), "a number", [0, -3.5], [math.nan, math.inf, "1", None, True]),
        (settings.real(1.0, M, above=0), "a number above 0", [1e-9, 2], [0, -1, math.nan]),
        (
            settings.real(0.5, M, above=0, below=1),
            "a number above 0 and below 1",
            [0.1, 0.9],
            [0, 1, 1.5],
        ),
        (settings.share(0.5, M), "a number from 0 to 1", [0, 0.5, 1], [-0.1, 1.1]),
        (
            settings.integer(3, M, at_least=1),
            "a whole number of at least 1",
            [1, 10**9],
            [0, 1.0, True, "2"],
        ),
        (
            settings.integer(8, M, at_least=4, at_most=4096),
            "a whole number from 4 to 4096",
            [4, 4096],
            [3, 4097],
        ),
        (
            settings.integer(8, M, at_least=4, multiple_of=4),
            "a multiple of 4 of at least 4",
            [4, 12],
            [0, 6],
        ),
        (settings.flag(True, M), "True or False", [True, False], [0, 1, "yes", None]),
        (settings.text("a", M), "a string that is not empty", ["b"], ["", 3, None]),
        (settings.choice("a", M, ("a", "b")), "one of a, b", ["a", "b"], ["c", 1, None]),
        (settings.choice(1, M, (1, 3)), "one of 1, 3", [1, 3], [2, True, 1.0]),
        (
            settings.widths((8,), M),
            "whole numbers of at least 1",
            [(8, 4), [3]],
            [(), (0,), (2.5,), 8, ("8",), (True,)],
        ),
        (
            settings.widths((), M, may_be_empty=True),
            "whole numbers of at least 1, or none",
            [(), (3,)],
            [(0,)],
        ),
        (
            settings.area((0.1, 1.0), M),
            "two shares of the image, 0 < smallest <= largest <= 1",
            [(0.5, 0.5), [0.2, 1]],
            [(0.0, 1.0), (0.9, 0.2), (0.5,), (0.5, 1.1), (math.nan, 1.0), 0.5],
        ),
        (
            settings.per_channel(M, above=0),
            "one number above 0 per channel",
            [(0.5,), (1, 2, 3), None],
            [(), (0.0,), (math.nan,), ("a",)],
        ),
        (settings.names(("a",), M), "layer names", [("a", "b")], [(), (1,), "ab"]),
        (
            settings.several(("a",), M, ("a", "b")),
            "some of a, b, each once",
            [("b", "a"), ["b"]],
            [(), ("c",), ("a", "a"), ("a", 1), "a"],
        ),
        (
            settings.numbers((1.0,), M, at_least=0),
            "numbers of at least 0",
            [(0, 2.5), [3]],
            [(), (-1.0,), (math.nan,), ("1",), 1.0],
        ),
        (
            settings.betas((0.9, 0.99), M),
            "two numbers of at least 0 and below 1",
            [(0, 0.5)],
            [(0.9,), (0.9, 1.0), (-0.1, 0.5), (math.nan, 0.5)],
        ),
    ],
)
def test_each_kind_accepts_good_values_and_rejects_bad_ones(setting, expected, good, bad):
    assert setting.expected == expected
    for value in (setting.default, *good):
        settings.check_value("block.name", value, setting)
    for value in bad:
        with pytest.raises(InputError) as error:
            settings.check_value("block.name", value, setting)
        assert str(error.value) == f"block.name: {value!r}; expected {expected}"


def test_an_optional_setting_may_be_none():
    for setting in (
        settings.real(None, M, above=0, optional=True),
        settings.integer(None, M, at_least=1, optional=True),
        settings.text(None, M, optional=True),
        settings.choice(None, M, (1, 3), optional=True),
    ):
        settings.check_value("block.name", None, setting)
