"""The result of an evaluation."""

from typing import NamedTuple

import numpy as np

from ssl_jax.data import Source
from ssl_jax.evaluation.features import Extracted


class Findings(NamedTuple):
    """The scores, and what they were computed from.

    Attributes:
      values: the content of ``evaluation.json``.
      train: features that the probes were fitted on.
      test: features that the probes were scored on.
      predictions: the linear probe's, of the test examples; None without labels.
      probed: the source of the features in ``train``.
    """

    values: dict[str, float]
    train: Extracted
    test: Extracted
    predictions: np.ndarray | None
    probed: Source
