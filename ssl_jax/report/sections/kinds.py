"""The kinds of sections, and what each gives to the template."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

_VIEWED, _QUERIES, _NEAREST = 12, 10, 5


class Pictures(NamedTuple):
    """Rows of pictures. Each column shows one example.

    Attributes:
      title: of the section.
      caption: what the pictures show.
      rows: names, and pictures ``[n, h, w, c]``, uint8 or floats in [0, 1]; the first 12 are shown.
    """

    title: str
    caption: str
    rows: Sequence[tuple[str, np.ndarray]]


class Tiles(NamedTuple):
    """Small pictures side by side.

    Attributes:
      title: of the section.
      caption: what the pictures show.
      name: what one of them is.
      pictures: ``[m, h, w, c]``, uint8 or floats in [0, 1].
    """

    title: str
    caption: str
    name: str
    pictures: np.ndarray


class Texts(NamedTuple):
    """Blocks of texts.

    Attributes:
      title: of the section.
      caption: what the texts show.
      groups: one per block: pairs of a heading, which may be empty, and a text.
    """

    title: str
    caption: str
    groups: Sequence[Sequence[tuple[str, str]]]


class Neighbors(NamedTuple):
    """Test examples beside their nearest training examples, as pictures.

    Attributes:
      queries: uint8 [q, h, w, c]; the first 10 are shown, with 5 neighbors each.
      learned: uint8 [q, k, h, w, c], nearest by the learned features, the nearest first.
      pixels: uint8 [q, k, h, w, c], nearest by the raw pixels.
      labels: class names of queries [q], learned [q][k] and pixels [q][k]; None without labels.
    """

    queries: np.ndarray
    learned: np.ndarray
    pixels: np.ndarray
    labels: tuple[Sequence[str], Sequence[Sequence[str]], Sequence[Sequence[str]]] | None = None


Section = Pictures | Tiles | Texts | Neighbors


def content(section: Section) -> dict[str, Any]:
    """Returns a section as values for the template, which tells the kinds apart by their keys."""
    match section:
        case Pictures(title, caption, rows):
            count = min(_VIEWED, *(len(pictures) for _, pictures in rows))
            columns = [[(name, pictures[i]) for name, pictures in rows] for i in range(count)]
            return {"title": title, "caption": caption, "columns": columns}
        case Tiles(title, caption, name, pictures):
            tiles = [(f"{name} {i}", picture) for i, picture in enumerate(pictures, 1)]
            return {"title": title, "caption": caption, "tiles": tiles}
        case Texts(title, caption, groups):
            return {"title": title, "caption": caption, "groups": groups}
        case Neighbors():
            return {"title": "Nearest neighbors", "queries": list(_queries(section))}


def _queries(neighbors: Neighbors) -> Iterator[dict[str, Any]]:
    """Yields each query: its picture, its class, and its neighbors in two rows of tiles."""
    for i, query in enumerate(neighbors.queries[:_QUERIES]):
        name = neighbors.labels[0][i] if neighbors.labels else None
        rows = []
        for which, (title, pictures) in enumerate(
            (("learned features", neighbors.learned[i]), ("raw pixels", neighbors.pixels[i])), 1
        ):
            shown = pictures[:_NEAREST]
            found = neighbors.labels[which][i][:_NEAREST] if neighbors.labels else None
            rows.append(
                {
                    "title": title,
                    "tiles": [(p, found[j] if found else None) for j, p in enumerate(shown)],
                    "right": sum(other == name for other in found) if found else None,
                    "wrong": list(dict.fromkeys(x for x in found if x != name)) if found else [],
                }
            )
        yield {"picture": query, "name": name, "rows": rows}
