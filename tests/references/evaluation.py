"""The evaluation functions, derived again from the papers, with NumPy and loops."""

import math

import numpy as np


def knn_scores(train_z, train_y, test_z, classes, k, temperature):
    """Wu et al. 2018, section 3.4: neighbors vote with weight exp(cosine / temperature)."""
    scores = np.zeros((len(test_z), classes))
    for i, query in enumerate(test_z):
        cosines = [
            sum(a * b for a, b in zip(query, z, strict=True))
            / (math.sqrt(sum(a * a for a in query)) * math.sqrt(sum(b * b for b in z)))
            for z in train_z
        ]
        nearest = sorted(range(len(train_z)), key=lambda j, c=cosines: (-c[j], j))[:k]
        for j in nearest:
            scores[i, train_y[j]] += math.exp(cosines[j] / temperature)
        scores[i] /= sum(scores[i])
    return scores


def rankme(z):
    """Garrido et al. 2023: the exponential of the entropy of the singular values."""
    singular = np.linalg.svd(np.asarray(z, np.float64), compute_uv=False)
    entropy = 0.0
    for sigma in singular:
        p = sigma / sum(singular) + 1e-7
        entropy -= p * math.log(p)
    return math.exp(entropy)


def _mean(values):
    return sum(values) / len(values)


def _variance(values):
    return sum((v - _mean(values)) ** 2 for v in values) / (len(values) - 1)


def paired_standard_error(a, b):
    """For lists [draws][m]: the variance over examples plus the variance over draws."""
    draws, m = len(a), len(a[0])
    difference = [[float(a[r][i]) - float(b[r][i]) for i in range(m)] for r in range(draws)]
    examples = _variance([_mean([row[i] for row in difference]) for i in range(m)]) / m
    labels = _variance([_mean(row) for row in difference]) / draws
    return math.sqrt(examples + labels)
