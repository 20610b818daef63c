"""Contrastive losses re-derived with plain loops in float64."""

import numpy as np

from tests.references.arrays import cosines, log_sum_exp, negative_log_softmax


def info_nce(queries, keys, *, temperature=0.1):
    """Van den Oord et al. (2018), equation 4: row i is the key of query i, others are negatives."""
    logits = cosines(queries, keys) / temperature
    return np.array([negative_log_softmax(list(row), i) for i, row in enumerate(logits)])


def nt_xent(z1, z2, *, temperature=0.5):
    """Chen et al. (2020), equation 1 and algorithm 1, with z1's rows first."""
    n = len(z1)
    z = np.concatenate([z1, z2])
    similarities = cosines(z, z) / temperature
    out = []
    for i in range(2 * n):
        others = [k for k in range(2 * n) if k != i]
        positive = others.index((i + n) % (2 * n))
        out.append(negative_log_softmax([similarities[i, k] for k in others], positive))
    return np.array(out)


def decoupled_nt_xent(z1, z2, *, temperature=0.1):
    """Yeh et al. (2022): NT-Xent without the positive in the denominator, z1's rows first."""
    n = len(z1)
    z = np.concatenate([z1, z2])
    similarities = cosines(z, z) / temperature
    out = []
    for i in range(2 * n):
        positive = (i + n) % (2 * n)
        negatives = [similarities[i, k] for k in range(2 * n) if k not in (i, positive)]
        out.append(log_sum_exp(negatives) - similarities[i, positive])
    return np.array(out)


def queue_info_nce(queries, keys, queue, *, temperature=0.2):
    """He et al. (2020), equation 1: a query's own key competes with the queue."""
    own, others = cosines(queries, keys) / temperature, cosines(queries, queue) / temperature
    return np.array([negative_log_softmax([own[i, i], *others[i]], 0) for i in range(len(queries))])


def moco_v3(queries1, queries2, keys1, keys2, *, temperature=0.2):
    """Chen et al. (2021), algorithm 1: queries of each view, keys of the other view."""
    one = info_nce(queries1, keys2, temperature=temperature)
    other = info_nce(queries2, keys1, temperature=temperature)
    return 2 * temperature * (one + other)


def mil_nce(queries, keys, *, temperature=0.1):
    """Miech et al. (2020), equation 1, one direction: all keys of row i are positives."""
    out = []
    for i in range(len(queries)):
        every, positives = [], []
        for j in range(len(keys)):
            logits = list(cosines(queries[i : i + 1], keys[j])[0] / temperature)
            every += logits
            positives += logits if i == j else []
        out.append(log_sum_exp(every) - log_sum_exp(positives))
    return np.array(out)


def supcon(z, labels, *, temperature=0.1):
    """Khosla et al. (2020), equation 2 (L_out); an anchor without a positive gives 0."""
    similarities = cosines(z, z) / temperature
    n = len(similarities)
    out = []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        logits = [similarities[i, k] for k in others]
        losses = [
            negative_log_softmax(logits, position)
            for position, k in enumerate(others)
            if labels[k] == labels[i]
        ]
        out.append(sum(losses) / len(losses) if losses else 0.0)
    return np.array(out)
