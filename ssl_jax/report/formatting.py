"""Numbers, settings and times as text."""

import json
import math
from typing import Any

DASH, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def percent(fraction: float) -> str:
    """Formats a fraction: 0.8437 as "84.4%", NaN and infinity as a dash."""
    return f"{100 * fraction:.1f}%" if math.isfinite(fraction) else DASH


def points(fraction: float, sign: str = "+") -> str:
    """Formats a fraction in percentage points: 0.012 as "+1.2", or as "1.2" if `sign` is ""."""
    if not math.isfinite(fraction):
        return DASH
    return f"{round(100 * fraction, 1) + 0.0:{sign}.1f}".replace("-", _MINUS)


def number(value: float) -> str:
    """Formats a number: 1234 as "1,234", 0.123456 as "0.1235", NaN and infinity as a dash."""
    if not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Formats a time: 248 as "4 min 8 s", NaN and infinity as a dash."""
    if not math.isfinite(seconds):
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def setting(value: Any) -> str:
    """Formats the value of a setting as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def printable(text: str) -> str:
    """Replaces characters that UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()
