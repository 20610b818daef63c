"""Losses that spread embeddings or assignments re-derived with plain loops in float64."""

import cmath
import math

import numpy as np

from tests.references.contrastive import normalize
from tests.references.decorrelation import cholesky, covariance
from tests.references.distillation import softmax

POINTS = [-5 + 10 * i / 16 for i in range(17)]


def trapezoid(values):
    """The integral over [-5, 5] of what has these values at the points."""
    steps = range(len(POINTS) - 1)
    return sum((POINTS[i + 1] - POINTS[i]) * (values[i] + values[i + 1]) / 2 for i in steps)


def sigreg(directions, z):
    """Balestriero and LeCun (2025), algorithm 1: along each column, how far from a normal."""
    directions, z = np.asarray(directions, np.float64), np.asarray(z, np.float64)
    n = len(z)
    statistics = []
    for direction in directions.T:
        projections = [sum(row * direction) for row in z]
        errors = []
        for t in POINTS:
            empirical = sum(cmath.exp(1j * t * x) for x in projections) / n
            gaussian = math.exp(-(t**2) / 2)
            errors.append(abs(empirical - gaussian) ** 2 * gaussian)
        statistics.append(n * trapezoid(errors))
    return sum(statistics) / len(statistics)


def coding_rate(z, *, distortion=0.5):
    """Yu et al. (2020), equation 1, negated, its ε² the distortion; log det by Cholesky."""
    z = normalize(z)
    d = z.shape[1]
    lower = cholesky(np.eye(d) + d / distortion * covariance(z, z, len(z)))
    return -sum(math.log(lower[i, i]) for i in range(d))


def mmcr(z):
    """Yerxa et al. (2023), equation 3: minus the nuclear norm of the views' centroids."""
    views = [normalize(view) for view in z]
    return -sum(np.linalg.svd(sum(views) / len(views), compute_uv=False))


def me_max(logits, *, temperature=0.1):
    """Assran et al. (2022), section 3: log k less the entropy of the mean assignment."""
    rows = [softmax(row) for row in np.asarray(logits, np.float64) / temperature]
    k = len(rows[0])
    mean = [sum(row[j] for row in rows) / len(rows) for j in range(k)]
    return math.log(k) + sum(p * math.log(p) for p in mean if p > 0)
