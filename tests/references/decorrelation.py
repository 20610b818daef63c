"""Losses on batch statistics re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.arrays import normalize


def center(z):
    z = np.asarray(z, np.float64)
    return z - sum(z) / len(z)


def covariance(a, b, divisor):
    """Returns Σ_i a_i b_iᵀ / divisor; the rows must be centered."""
    return sum(np.outer(u, v) for u, v in zip(a, b, strict=True)) / divisor


def barlow_twins(z1, z2, *, redundancy_weight=5e-3):
    """Zbontar et al. (2021), equations 1 and 2."""
    z1, z2 = center(z1), center(z2)
    n, d = z1.shape
    loss = 0.0
    for i in range(d):
        for j in range(d):
            scale1 = math.sqrt(sum(z1[:, i] ** 2) / n + 1e-5)
            scale2 = math.sqrt(sum(z2[:, j] ** 2) / n + 1e-5)
            correlation = sum(z1[:, i] * z2[:, j]) / n / (scale1 * scale2)
            loss += (1 - correlation) ** 2 if i == j else redundancy_weight * correlation**2
    return loss


def vicreg(z1, z2, *, invariance=25.0, variance=25.0, covariance=1.0):
    """Bardes et al. (2022), equations 1 to 6, with the official code's halved hinge."""
    z1, z2 = np.asarray(z1, np.float64), np.asarray(z2, np.float64)
    n, d = z1.shape
    distance = sum((a - b) ** 2 for a, b in zip(z1.ravel(), z2.ravel(), strict=True)) / (n * d)
    hinge, redundancy = 0.0, 0.0
    for z in (center(z1), center(z2)):
        for i in range(d):
            deviation = math.sqrt(sum(z[:, i] ** 2) / (n - 1) + 1e-4)
            hinge += max(0.0, 1 - deviation) / d / 2
            for j in range(d):
                if i != j:
                    redundancy += (sum(z[:, i] * z[:, j]) / (n - 1)) ** 2 / d
    return invariance * distance + variance * hinge + covariance * redundancy


def cholesky(a):
    """Returns the lower triangle L with L Lᵀ = a, computed row by row."""
    lower = np.zeros_like(a)
    for i in range(len(a)):
        for j in range(i + 1):
            rest = a[i, j] - sum(lower[i, :j] * lower[j, :j])
            lower[i, j] = math.sqrt(rest) if i == j else rest / lower[j, j]
    return lower


def whiten(z, epsilon):
    """Returns L⁻¹ (z - mean), where L Lᵀ is the unbiased covariance + epsilon I."""
    z = center(z)
    n, d = z.shape
    lower = cholesky(covariance(z, z, n - 1) + epsilon * np.eye(d))
    out = np.zeros_like(z)
    for row, x in zip(out, z, strict=True):
        for i in range(d):  # forward substitution
            row[i] = (x[i] - sum(lower[i, :i] * row[:i])) / lower[i, i]
    return out


def whitening_mse(z1, z2, *, epsilon=1e-4):
    """Ermolov et al. (2021), section 3, with one whitening per view."""
    pairs = zip(normalize(whiten(z1, epsilon)), normalize(whiten(z2, epsilon)), strict=True)
    return sum(2 - 2 * sum(a * b) for a, b in pairs) / len(z1)


def correlations(z1, z2, *, epsilon=1e-4):
    """Returns canonical correlations, largest first: roots of det(S12 S22⁻¹ S21 - rho² S11) = 0."""
    z1, z2 = center(z1), center(z2)
    n = len(z1)
    s11 = covariance(z1, z1, n) + epsilon * np.eye(z1.shape[1])
    s22 = covariance(z2, z2, n) + epsilon * np.eye(z2.shape[1])
    s12 = covariance(z1, z2, n)
    squares = np.linalg.eigvals(np.linalg.inv(s11) @ s12 @ np.linalg.inv(s22) @ s12.T)
    return sorted((math.sqrt(max(0.0, x)) for x in squares.real), reverse=True)


def cca(z1, z2, *, components=None, epsilon=1e-4):
    """Hotelling (1936) and Andrew et al. (2013), section 3: minus the sum of correlations."""
    return -sum(correlations(z1, z2, epsilon=epsilon)[:components])
