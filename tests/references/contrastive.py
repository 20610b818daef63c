"""Contrastive losses re-derived with plain loops in float64."""

import math

import numpy as np


def normalize(z):
    """Rows of length 1; a zero row stays zero."""
    z = np.asarray(z, np.float64)
    norms = np.sqrt((z**2).sum(-1, keepdims=True))
    return z / np.where(norms > 0, norms, 1)


def cosines(a, b):
    """Cosine of every row of `a` with every row of `b`."""
    return np.array([[sum(u * v) for v in normalize(b)] for u in normalize(a)])


def negative_log_softmax(logits, positive):
    """-log(exp(logits[positive]) / Σ exp(logits)), the largest logit taken out of the sum."""
    largest = max(logits)
    total = sum(math.exp(logit - largest) for logit in logits)
    return largest + math.log(total) - logits[positive]


def info_nce(queries, keys, *, temperature=0.1):
    """Van den Oord et al. (2018), equation 4: the key of query i is row i, the others negatives."""
    logits = cosines(queries, keys) / temperature
    return np.array([negative_log_softmax(list(row), i) for i, row in enumerate(logits)])


def nt_xent(z1, z2, *, temperature=0.5):
    """Chen et al. (2020), equation 1 and algorithm 1, the 2n rows ordered z1 then z2."""
    n = len(z1)
    z = np.concatenate([z1, z2])
    similarities = cosines(z, z) / temperature
    out = []
    for i in range(2 * n):
        others = [k for k in range(2 * n) if k != i]
        positive = others.index((i + n) % (2 * n))
        out.append(negative_log_softmax([similarities[i, k] for k in others], positive))
    return np.array(out)


def gradient(f, x, step=1e-6):
    """Central differences of the scalar function `f` at the array or number `x`."""
    x = np.array(x, np.float64)
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = step
        out[i] = (f(x + e) - f(x - e)) / (2 * step)
    return out
