"""Losses against collapse re-derived with plain loops in float64."""

import cmath
import math

import numpy as np

from tests.references.arrays import log_sum_exp, normalize, softmax
from tests.references.decorrelation import cholesky, covariance

POINTS = [-5 + 10 * i / 16 for i in range(17)]


def koleo(z):
    """Sablayrolles et al. (2019), section 3, on normalized rows as in DINOv2."""
    z = normalize(z)
    out = []
    for i in range(len(z)):
        distances = [math.sqrt(sum((z[i] - z[j]) ** 2)) for j in range(len(z)) if j != i]
        out.append(-math.log(min(distances) + 1e-8))
    return np.array(out)


def uniformity(z, *, t=2.0):
    """Wang and Isola (2020), equation 2: the log of the mean Gaussian potential of all pairs."""
    z = normalize(z)
    n = len(z)
    exponents = [-t * sum((z[i] - z[j]) ** 2) for i in range(n) for j in range(n) if i != j]
    return log_sum_exp(exponents) - math.log(len(exponents))


def trapezoid(values):
    """Integrates over [-5, 5] a function with these values at POINTS."""
    steps = range(len(POINTS) - 1)
    return sum((POINTS[i + 1] - POINTS[i]) * (values[i] + values[i + 1]) / 2 for i in steps)


def sigreg(directions, z):
    """Balestriero and LeCun (2025), algorithm 1: distance from a normal along each column."""
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
    """Yu et al. (2020), equation 1, negated, with ε² the distortion; log det by Cholesky."""
    z = normalize(z)
    d = z.shape[1]
    lower = cholesky(np.eye(d) + d / distortion * covariance(z, z, len(z)))
    return -sum(math.log(lower[i, i]) for i in range(d))


def mmcr(z):
    """Yerxa et al. (2023), equation 3: minus the nuclear norm of the means over views."""
    views = [normalize(view) for view in z]
    return -sum(np.linalg.svd(sum(views) / len(views), compute_uv=False))


def me_max(logits, *, temperature=0.1):
    """Assran et al. (2022), section 3: log k minus the entropy of the mean assignment."""
    rows = [softmax(row) for row in np.asarray(logits, np.float64) / temperature]
    k = len(rows[0])
    mean = [sum(row[j] for row in rows) / len(rows) for j in range(k)]
    return math.log(k) + sum(p * math.log(p) for p in mean if p > 0)
