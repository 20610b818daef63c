"""Pretext losses re-derived with plain loops in float64."""

import numpy as np

from tests.references.arrays import negative_log_softmax


def colorization(logits, targets, *, bin_weights=None):
    """Zhang et al. (2016), equations 2 and 4, but as a mean over pixels."""
    logits, targets = np.asarray(logits, np.float64), np.asarray(targets)
    n, h, w, q = logits.shape
    if targets.ndim == 3:
        targets = np.eye(q)[targets]
    targets = np.asarray(targets, np.float64)
    weights = np.ones(q) if bin_weights is None else np.asarray(bin_weights, np.float64)
    out = np.zeros(n)
    for i, y, x in np.ndindex(n, h, w):
        pixel, target = list(logits[i, y, x]), targets[i, y, x]
        cross_entropy = sum(target[b] * negative_log_softmax(pixel, b) for b in range(q))
        out[i] += weights[int(np.argmax(target))] * cross_entropy / (h * w)
    return out
