"""Consistency losses re-derived with plain loops in float64."""

import math

import numpy as np

from tests.references.arrays import negative_log_softmax


def uda(clean_logits, augmented_logits, *, temperature=0.4, threshold=0.8):
    """Xie et al. (2020), section 2.4: KL(sharpened clean, augmented) of confident rows."""
    clean, augmented = (np.asarray(x, np.float64) for x in (clean_logits, augmented_logits))
    out = []
    for p, q in zip(clean, augmented, strict=True):
        classes = range(len(p))
        confidence = max(math.exp(-negative_log_softmax(list(p), c)) for c in classes)
        if not confidence > threshold:
            out.append(0.0)
            continue
        loss = 0.0
        for c in classes:
            log_target = -negative_log_softmax(list(p / temperature), c)
            log_prediction = -negative_log_softmax(list(q), c)
            loss += math.exp(log_target) * (log_target - log_prediction)
        out.append(loss)
    return np.array(out)


def pseudo_label(weak_logits, strong_logits, *, threshold=0.95):
    """Sohn et al. (2020), equation 4: cross-entropy with the weak view's label, if confident."""
    weak, strong = (np.asarray(x, np.float64) for x in (weak_logits, strong_logits))
    out = []
    for p, q in zip(weak, strong, strict=True):
        label = int(np.argmax(p))
        confident = math.exp(-negative_log_softmax(list(p), label)) >= threshold
        out.append(negative_log_softmax(list(q), label) if confident else 0.0)
    return np.array(out)
