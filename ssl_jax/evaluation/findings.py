"""The result of an evaluation."""

from typing import NamedTuple

import numpy as np

from ssl_jax.data import Source
from ssl_jax.evaluation.features import Extracted


class Findings(NamedTuple):
    """The scores of a run, and the features that they were computed from.

    Attributes:
      values: the content of ``evaluation.json``.
      train: features that the probes were fitted to.
      test: features that the probes were scored on.
      predictions: int ``[m]``, of the classes of the test examples: the method's own if it can
        classify, else the linear probe's; None without labels.
      probed: the examples of ``train``.
    """

    values: dict[str, float]
    train: Extracted
    test: Extracted
    predictions: np.ndarray | None
    probed: Source
