"""The look that all charts share.

Text in the SVG stays text, and its grays become the page's CSS variables, so that one chart serves
light mode, dark mode and print. Charts are drawn at the width of a phone, to stay legible there.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

WIDTH = 281.0  # points
INK, MUTED, LINE, ACCENT = "#010203", "#020304", "#030405", "#040506"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
}
# Petroff's ten colors, chosen for color-blind readers (arXiv:2107.02270).
PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ssl_jax",
    "font.size": 9,
    "text.parse_math": False,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.labelcolor": MUTED,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
}


@contextmanager
def page_style() -> Iterator[None]:
    """Applies the style of the page, whatever the user's own matplotlibrc says.

    Warnings of glyphs missing from matplotlib's font are silenced: the browser draws the text.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """Returns the figure as an <svg> element; must be called inside ``page_style``.

    Args:
      figure: to draw.
      name: prefix of the element's ids, unique on the page.
      label: what a screen reader says.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    box = re.search(r'viewBox="[^"]*"', text)
    body = re.sub(r"<style.*?</style>", "", text[text.index("<defs>") :], flags=re.S)
    body = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for color, variable in VARIABLES.items():
        body = body.replace(color, variable)
    opening = Markup('<svg class="chart" role="img" aria-label="{}" {}>').format(
        label, Markup(box.group() if box else "")
    )
    return opening + Markup(body.strip())


def to_file(chart: Markup) -> str:
    """Returns the text of an SVG file of a chart, for light and dark mode."""
    colors = (
        ("svg", ("#1c1f23", "#62676e", "#dcddd9", "#23689b")),
        ("@media (prefers-color-scheme: dark) {svg", ("#e7e7e4", "#9ba0a8", "#33373c", "#7db6e0")),
    )
    names = [variable.removeprefix("var(").removesuffix(")") for variable in VARIABLES.values()]
    rules = [
        f"{selector} {{{'; '.join(map(': '.join, zip(names, values, strict=True)))}}}"
        for selector, values in colors
    ]
    style = f"<style>{rules[0]} {rules[1]}}} text {{font-family: sans-serif}}</style>"
    opening = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head, _, rest = str(chart).replace("<svg", opening, 1).partition(">")
    return f"{head}>{style}{rest}\n"
