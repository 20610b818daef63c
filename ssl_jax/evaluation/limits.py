"""What an evaluation cannot show, said before training."""

from collections.abc import Iterator

import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset
from ssl_jax.data.dataset import labels_of
from ssl_jax.evaluation.evaluate import at_most
from ssl_jax.evaluation.probes import PER_CLASS

_READ = 100_000  # examples; sources may have to read each one for its label


def limits(data: Dataset, config: ConfigDict) -> Iterator[str]:
    """Yields notes on scores that will be missing or mean little.

    Args:
      data: of the run.
      config: resolved; ``evaluation.train_examples`` is read.
    """
    if len(data.test) == 1:
        yield "there is a single test example: scores will have no standard error"
    if data.label_names is None or len(data.train) > _READ:
        return
    train = labels_of(at_most(data.train, config.evaluation.train_examples))
    if train is None:
        return
    classes, counts = np.unique(train, return_counts=True)
    if counts.max() < 2:
        yield (
            "no class has two training examples: kNN and linear probes will not be scored, since "
            "nothing can be held out to choose their settings"
        )
    elif len(classes) == 1:
        yield "all training examples have the same label: scores on labels will mean nothing"
    elif few := int((counts < PER_CLASS).sum()):
        yield (
            f"{few} of {len(classes)} classes have fewer than {PER_CLASS} training examples: the "
            "probe with few labels will have all of them"
        )
