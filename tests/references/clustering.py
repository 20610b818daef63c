"""Losses on assignments to prototypes re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.arrays import cross_entropy


def sinkhorn(scores, *, epsilon=0.05, iterations=3):
    """Caron et al. (2020), appendix A: equal mass per prototype, then equal mass per example."""
    scores = np.asarray(scores, np.float64)
    n, k = scores.shape
    largest = scores.max()  # a common factor that the first division cancels
    q = [[math.exp((s - largest) / epsilon) for s in row] for row in scores]
    for _ in range(iterations):
        for j in range(k):
            total = sum(q[i][j] for i in range(n))
            for i in range(n):
                q[i][j] /= k * total
        for i in range(n):
            total = sum(q[i])
            for j in range(k):
                q[i][j] /= n * total
    return n * np.array(q)


def swapped(scores1, scores2, codes1, codes2, *, temperature=0.1):
    """Caron et al. (2020), equation 2, halved: each view predicts the other's assignment."""
    scores1, scores2 = np.asarray(scores1, np.float64), np.asarray(scores2, np.float64)
    out = []
    for s1, s2, q1, q2 in zip(scores1, scores2, codes1, codes2, strict=True):
        one, other = cross_entropy(q1, s2 / temperature), cross_entropy(q2, s1 / temperature)
        out.append((one + other) / 2)
    return np.array(out)


def swav(scores1, scores2, *, temperature=0.1, epsilon=0.05, iterations=3):
    """Caron et al. (2020), equation 1, as the mean of both directions."""
    codes = [sinkhorn(s, epsilon=epsilon, iterations=iterations) for s in (scores1, scores2)]
    return swapped(scores1, scores2, *codes, temperature=temperature)
