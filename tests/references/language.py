"""Language losses re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.arrays import negative_log_softmax, softplus


def masked_lm(logits, tokens, mask):
    """Devlin et al. (2019): mean cross-entropy over hidden tokens; 0 without any."""
    logits = np.asarray(logits, np.float64)
    out = []
    for i in range(len(logits)):
        scored = [
            negative_log_softmax(list(logits[i, j]), int(tokens[i, j]))
            for j in range(logits.shape[1])
            if mask[i, j]
        ]
        out.append(sum(scored) / len(scored) if scored else 0.0)
    return np.array(out)


def causal_lm(logits, tokens, *, mask=None):
    """Radford et al. (2018), equation 1: position j predicts token j + 1 if it is scored."""
    logits = np.asarray(logits, np.float64)
    out = []
    for i in range(len(logits)):
        scored = [
            negative_log_softmax(list(logits[i, j]), int(tokens[i, j + 1]))
            for j in range(logits.shape[1] - 1)
            if mask is None or mask[i, j + 1]
        ]
        out.append(sum(scored) / len(scored) if scored else 0.0)
    return np.array(out)


def skip_gram(centers, contexts, negatives):
    """Mikolov et al. (2013), equation 4, with the negatives given."""
    centers, contexts, negatives = (
        np.asarray(x, np.float64) for x in (centers, contexts, negatives)
    )
    out = []
    for i in range(len(centers)):
        loss = softplus(-sum(centers[i] * contexts[i]))
        loss += sum(softplus(sum(centers[i] * negative)) for negative in negatives[i])
        out.append(loss)
    return np.array(out)


def glove(dots, bias_i, bias_j, counts, *, x_max=100.0, alpha=0.75):
    """Pennington et al. (2014), equations 8 and 9; a count of 0 gives 0."""
    out = []
    for dot, i, j, count in zip(dots, bias_i, bias_j, counts, strict=True):
        if count == 0:
            out.append(0.0)
            continue
        weight = min(1.0, (float(count) / x_max) ** alpha)
        out.append(weight * (float(dot) + float(i) + float(j) - math.log(count)) ** 2)
    return np.array(out)
