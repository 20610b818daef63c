"""MIL-NCE and MoCo v3 re-derived with plain loops in float64."""

import numpy as np

from tests.references.contrastive import cosines, info_nce
from tests.references.contrastive_more import log_sum_exp


def mil_nce(queries, keys, *, temperature=0.1):
    """Miech et al. (2020), equation 1, one direction: all the keys of row i are its positives."""
    out = []
    for i in range(len(queries)):
        every, positives = [], []
        for j in range(len(keys)):
            logits = list(cosines(queries[i : i + 1], keys[j])[0] / temperature)
            every += logits
            positives += logits if i == j else []
        out.append(log_sum_exp(every) - log_sum_exp(positives))
    return np.array(out)


def moco_v3(queries1, queries2, keys1, keys2, *, temperature=0.2):
    """Chen et al. (2021), algorithm 1: each view's queries against the other's keys."""
    one = info_nce(queries1, keys2, temperature=temperature)
    other = info_nce(queries2, keys1, temperature=temperature)
    return 2 * temperature * (one + other)
