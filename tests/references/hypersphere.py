"""Alignment, uniformity and the spectral loss re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.contrastive import normalize
from tests.references.contrastive_more import log_sum_exp


def alignment(z1, z2, *, alpha=2.0):
    """Wang and Isola (2020), equation 1: a power of the distance on the sphere."""
    pairs = zip(normalize(z1), normalize(z2), strict=True)
    return np.array([math.sqrt(sum((a - b) ** 2)) ** alpha for a, b in pairs])


def uniformity(z, *, t=2.0):
    """Wang and Isola (2020), equation 2: the log of the mean Gaussian potential of two rows."""
    z = normalize(z)
    n = len(z)
    exponents = [-t * sum((z[i] - z[j]) ** 2) for i in range(n) for j in range(n) if i != j]
    return log_sum_exp(exponents) - math.log(len(exponents))


def spectral_contrastive(z1, z2):
    """HaoChen et al. (2021), equation 6: negatives of a row are the other rows of `z2`."""
    z1, z2 = np.asarray(z1, np.float64), np.asarray(z2, np.float64)
    n = len(z1)
    out = []
    for i in range(n):
        squares = [sum(z1[i] * z2[j]) ** 2 for j in range(n) if j != i]
        out.append(-2 * sum(z1[i] * z2[i]) + sum(squares) / len(squares))
    return np.array(out)
