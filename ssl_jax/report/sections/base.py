"""The input of the sections of a page."""

from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source
from ssl_jax.evaluation.findings import Findings
from ssl_jax.methods.base import Batch, Method
from ssl_jax.placement import Placement


class Subject(NamedTuple):
    """The trained run that a page is about.

    Attributes:
      method: the method.
      params: its trained parameters.
      extra: its trained other state.
      data: the training and test data.
      config: resolved.
      findings: the result of the evaluation.
      key: randomness of the views and of ``method.show``.
      placement: where the arrays live.
    """

    method: Method
    params: Any
    extra: Any
    data: Dataset
    config: ConfigDict
    findings: Findings
    key: jax.Array
    placement: Placement


def shown(subject: Subject, batch: Batch) -> dict[str, np.ndarray]:
    """Returns what the method shows of a batch, in the method's order; jit sorts dictionaries."""
    titles: list[str] = []

    def show(params: Any, extra: Any, batch: Batch, key: jax.Array) -> list[jax.Array]:
        found = subject.method.show(params, extra, batch, key)
        titles.extend(found)
        return list(found.values())

    arrays = jax.jit(show)(subject.params, subject.extra, batch, subject.key)
    return dict(zip(titles, map(np.asarray, arrays), strict=True))


def evenly_spaced(source: Source, count: int) -> np.ndarray:
    """Returns the indices of a few examples, evenly spaced over a source."""
    return np.unique(np.linspace(0, len(source) - 1, count).astype(int))
