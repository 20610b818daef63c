"""Finds the columns of images and of labels in a table of Hugging Face's `datasets`.

- The image column is the one whose feature is an `Image`. `data.image_column` names it if there are
  several, or one of encoded images as plain bytes.
- The label column is the one whose feature is a `ClassLabel`. `data.label_column` names it if there
  are several, or one of integers or strings, whose sorted values are then the classes. Without
  either there are no labels.
- A row has no label if its `ClassLabel` is negative or its value is null.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ssl_jax.data.options import Options
from ssl_jax.errors import InputError

_INTEGERS_AND_STRINGS = ("int", "uint", "string", "large_string")


class Columns(NamedTuple):
    """The names of the columns of images and of labels; the latter may be None."""

    image: str
    label: str | None


def find(features: Mapping[str, Any], options: Options) -> Columns:
    """Finds the columns by the rules at the top of this file.

    Args:
      features: `datasets.Features` of the training split.
      options: of which `name`, `image_column` and `label_column` are read.

    Raises:
      InputError: there is no image column, or there are several and the options name none, or they
        name a column that cannot be read.
    """
    import datasets

    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    encoded = [name for name, kind in features.items() if _holds_bytes(kind)]
    classes = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    values = [name for name, kind in features.items() if _holds_values(kind)]
    image = _choose("image", options.image_column, images, encoded, options.name)
    if image is None:
        raise InputError(
            f"data.name: {options.name!r} has no column of images, only {', '.join(features)}; "
            "expected a data set of images, or data.image_column for encoded images"
        )
    return Columns(image, _choose("label", options.label_column, classes, values, options.name))


def why_no_labels(features: Mapping[str, Any]) -> str:
    """Returns a note for the user on data without a `ClassLabel`."""
    values = [name for name, kind in features.items() if _holds_values(kind)]
    named = f"; data.label_column can name one of {', '.join(values)}" if values else ""
    return f"no labels: no column is a ClassLabel{named}"


def read_labels(
    splits: Mapping[str, Any], column: str, name: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Reads the labels of some splits.

    Args:
      splits: a `datasets.Dataset` for each name; at least the first has the column.
      column: from `find`.
      name: the name of the data, for the error message.

    Returns:
      The label names, and for each split the labels, int32 [n]; -1 where there is none.

    Raises:
      InputError: a label has no name.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.compute as pc

    values = {
        split: table.with_format("arrow")[:][column]
        for split, table in splits.items()
        if column in table.column_names
    }
    known = sorted(
        set().union(*(pc.unique(part).drop_null().to_pylist() for part in values.values()))
    )
    kind = next(iter(splits.values())).features[column]
    names = tuple(map(str, known))
    if isinstance(kind, datasets.ClassLabel):
        names = tuple(kind.names)
        if known and known[-1] >= len(names):
            raise InputError(
                f"data.name: {name!r} has the label {known[-1]} in {column}; expected less than "
                f"{len(names)}, the number of its label names"
            )
        known = list(range(len(names)))

    def numbers(split: str) -> np.ndarray:
        if split not in values:
            return np.full(len(splits[split]), -1, np.int32)
        positions = pc.index_in(values[split], value_set=pa.array(known, values[split].type))
        return pc.fill_null(positions, -1).to_numpy().astype(np.int32)

    return names, {split: numbers(split) for split in splits}


def _choose(
    what: str, asked: str | None, typed: list[str], others: list[str], name: str
) -> str | None:
    """Returns the column that is asked for, or the only one of the right type, or None."""
    if asked is not None:
        known = typed + others
        if asked not in known:
            expected = f"one of {', '.join(known)}" if known else "None, since there is none"
            raise InputError(
                f"data.{what}_column: {asked!r} is not a column of {what}s in {name!r}; expected "
                f"{expected}"
            )
        return asked
    if len(typed) > 1:
        raise InputError(
            f"data.{what}_column: is missing, and {name!r} has several columns of {what}s; "
            f"expected one of {', '.join(typed)}"
        )
    return typed[0] if typed else None


def _holds_bytes(kind: Any) -> bool:
    """Returns whether a feature holds encoded images that are not declared as such."""
    if isinstance(kind, dict):
        return set(kind) == {"bytes", "path"}
    return getattr(kind, "dtype", None) in ("binary", "large_binary")


def _holds_values(kind: Any) -> bool:
    """Returns whether a feature holds integers or strings."""
    import datasets

    if not isinstance(kind, datasets.Value):
        return False
    return kind.dtype.rstrip("0123456789") in _INTEGERS_AND_STRINGS
