import math

import pytest

from ssl_jax.report.formatting import DASH, duration, number, percent, points, printable, setting

MINUS = "\N{MINUS SIGN}"


def test_fractions():
    assert percent(0.84371) == "84.4%"
    assert points(-0.0124) == f"{MINUS}1.2"
    assert points(-0.0001) == "+0.0"
    assert points(0.014, "") == "1.4"
    assert points(math.nan) == percent(math.inf) == DASH


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1234, "1,234"), (8.0, "8"), (0.123456, "0.1235"), (1234.5, "1,234"), (math.nan, DASH)],
)
def test_numbers(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (35.2, "35 s"),
        (247.9, "4 min 8 s"),
        (3600, "1 h 0 min"),
        (86520, "24 h 2 min"),
        (math.nan, DASH),
    ],
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected


def test_settings_and_text():
    assert setting(None) == "null"
    assert setting(("a", 1)) == '["a", 1]'
    assert printable("a\udcff") == "a?"
