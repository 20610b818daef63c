"""Numbers, settings and times as text."""

import json
import math
from typing import Any

DASH, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def percent(fraction: float) -> str:
    """0.8437 -> "84.4%"; a dash if it is not a number."""
    return f"{100 * fraction:.1f}%" if math.isfinite(fraction) else DASH


def points(fraction: float, sign: str = "+") -> str:
    """0.012 -> "+1.2" percentage points, or "1.2" if `sign` is ""; a dash if it is not a number."""
    if not math.isfinite(fraction):
        return DASH
    return f"{round(100 * fraction, 1) + 0.0:{sign}.1f}".replace("-", _MINUS)


def number(value: float) -> str:
    """1234 -> "1,234"; 0.123456 -> "0.1235"; a dash if it is not a number."""
    if not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """248 -> "4 min 8 s"; a dash if it is not a number."""
    if not math.isfinite(seconds):
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def setting(value: Any) -> str:
    """The value of a setting, as JSON writes it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def printable(text: str) -> str:
    """The text, with characters that UTF-8 cannot encode replaced."""
    return text.encode("utf-8", "replace").decode()
