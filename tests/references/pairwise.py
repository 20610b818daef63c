"""Pairwise losses re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.arrays import normalize, softplus


def nce(data_scores, noise_scores, data_log_q, noise_log_q):
    """Gutmann and Hyvärinen (2010): classifies data and its m noise samples."""
    data_scores, noise_scores, data_log_q, noise_log_q = (
        np.asarray(x, np.float64) for x in (data_scores, noise_scores, data_log_q, noise_log_q)
    )
    n, m = noise_scores.shape
    out = []
    for i in range(n):
        loss = softplus(-(data_scores[i] - data_log_q[i] - math.log(m)))
        for j in range(m):
            loss += softplus(noise_scores[i, j] - noise_log_q[i, j] - math.log(m))
        out.append(loss)
    return np.array(out)


def triplet(anchors, positives, negatives, *, margin=1.0):
    """Schroff et al. (2015), without squared distances, inputs not normalized."""
    out = []
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        to_positive = math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, p, strict=True)))
        to_negative = math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, n, strict=True)))
        out.append(max(to_positive - to_negative + margin, 0.0))
    return np.array(out)


def alignment(z1, z2, *, alpha=2.0):
    """Wang and Isola (2020), equation 1: a power of the distance on the unit sphere."""
    pairs = zip(normalize(z1), normalize(z2), strict=True)
    return np.array([math.sqrt(sum((a - b) ** 2)) ** alpha for a, b in pairs])


def spectral_contrastive(z1, z2):
    """HaoChen et al. (2021), equation 6: the negatives of a row are the other rows of z2."""
    z1, z2 = np.asarray(z1, np.float64), np.asarray(z2, np.float64)
    n = len(z1)
    out = []
    for i in range(n):
        squares = [sum(z1[i] * z2[j]) ** 2 for j in range(n) if j != i]
        out.append(-2 * sum(z1[i] * z2[i]) + sum(squares) / len(squares))
    return np.array(out)
