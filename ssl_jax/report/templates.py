"""Fills the HTML templates."""

from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from ssl_jax.output import write_whole
from ssl_jax.report import formatting
from ssl_jax.report.picture import picture


def fill(template: str, **values: Any) -> str:
    """Fills a template of the folder ``html``.

    Args:
      template: name of the file; all templates extend ``base.html``.
      **values: what it shows.

    Returns:
      The HTML.
    """
    folder = resources.files("ssl_jax.report").joinpath("html")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        percent=formatting.percent,
        points=formatting.points,
        number=formatting.number,
        picture=picture,
    )
    return environment.get_template(template).render(**values)


def save(path: Path, html: str) -> None:
    """Writes a page atomically.

    Raises:
      InputError: it cannot be written.
    """
    write_whole(path, html.encode("utf-8", "replace"))
