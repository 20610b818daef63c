"""Small functions that several references share, in float64 and without vectorization."""

import math

import numpy as np


def float64(*arrays):
    return [np.asarray(x, np.float64) for x in arrays]


def normalize(z):
    """Scales every row to length 1; a zero row stays zero."""
    z = np.asarray(z, np.float64)
    norms = np.sqrt((z**2).sum(-1, keepdims=True))
    return z / np.where(norms > 0, norms, 1)


def cosines(a, b):
    """Returns the cosine of every row of ``a`` with every row of ``b``."""
    return np.array([[sum(u * v) for v in normalize(b)] for u in normalize(a)])


def softplus(x):
    """Returns log(1 + exp(x)), which is also -log sigmoid(-x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def softmax(logits):
    """Returns exp(logits) / Σ exp(logits), with the largest logit subtracted first."""
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    return [e / sum(exponentials) for e in exponentials]


def log_sum_exp(logits):
    """Returns log Σ exp(logits), with the largest logit taken out of the sum."""
    largest = max(logits)
    return largest + math.log(sum(math.exp(logit - largest) for logit in logits))


def negative_log_softmax(logits, positive):
    """Returns -log(exp(logits[positive]) / Σ exp(logits))."""
    return log_sum_exp(logits) - logits[positive]


def cross_entropy(target, logits):
    """Returns -Σ_k target_k log softmax(logits)_k."""
    return sum(p * negative_log_softmax(list(logits), k) for k, p in enumerate(target))


def gradient(f, x, step=1e-6):
    """Returns central differences of the scalar function ``f`` at the array or number ``x``."""
    x = np.array(x, np.float64)
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = step
        out[i] = (f(x + e) - f(x - e)) / (2 * step)
    return out
