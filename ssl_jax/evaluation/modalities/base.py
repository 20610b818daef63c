"""What shared code asks of a kind of data; the table of kinds is in ``__init__``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source
from ssl_jax.evaluation.features import Embed
from ssl_jax.evaluation.findings import Findings
from ssl_jax.evaluation.report import Section
from ssl_jax.methods.base import Batch, Method


class Look(NamedTuple):
    """What the sections of a page are made from.

    Attributes:
      method: that was trained.
      params: learned.
      extra: learned.
      data: that it was trained on.
      config: resolved.
      findings: of the evaluation.
      key: of views, and of what the method shows.
    """

    method: Method
    params: Any
    extra: Any
    data: Dataset
    config: ConfigDict
    findings: Findings
    key: jax.Array


class Modality(NamedTuple):
    """A kind of data.

    Attributes:
      example: ``config.data -> {name: ShapeDtypeStruct}``, one unlabelled example without the data.
      read: ``(inputs, config.data, assets) -> source`` of what a user hands to ``Run.embed``.
      raw_input: ``config.data -> (batch -> [n, d])``, the baseline without a network.
      input_name: what that is, in words.
      scores: ``(data, values) -> name, value``: more for ``evaluation.json``, of what is there.
      sections: of the page.
    """

    example: Callable[[ConfigDict], dict[str, jax.ShapeDtypeStruct]]
    read: Callable[[Any, ConfigDict, Mapping[str, str]], Source]
    raw_input: Callable[[ConfigDict], Embed]
    input_name: str
    scores: Callable[[Dataset, Mapping[str, float]], Iterator[tuple[str, float]]]
    sections: Callable[[Look], Sequence[Section]]


def shown(look: Look, batch: Batch) -> dict[str, np.ndarray]:
    """What the method shows of a batch, in the method's order (jit sorts a dictionary)."""
    titles: list[str] = []

    def show(params: Any, extra: Any, batch: Batch, key: jax.Array) -> list[jax.Array]:
        found = look.method.show(params, extra, batch, key)
        titles.extend(found)
        return list(found.values())

    arrays = jax.jit(show)(look.params, look.extra, batch, look.key)
    return dict(zip(titles, map(np.asarray, arrays), strict=True))


def no_scores(data: Dataset, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The ``scores`` of a modality that has none of its own."""
    del data, values
    return iter(())
