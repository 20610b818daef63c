"""Losses between a student and a teacher re-derived with plain loops in float64."""

import numpy as np

from tests.references.arrays import cross_entropy, float64, normalize, softmax


def cosine_regression(predictions, targets):
    """Grill et al. (2020), equation 2: |p̄ - t̄|² of normalized rows; a zero row has cosine 0."""
    out = []
    for p, t in zip(normalize(predictions), normalize(targets), strict=True):
        out.append(2 - 2 * sum(a * b for a, b in zip(p, t, strict=True)))
    return np.array(out)


def cross_view(student, targets, *, temperature=0.1):
    """Caron et al. (2021), equation 3: each target view with every other student view."""
    student, targets = float64(student, targets)
    out = np.zeros(student.shape[1])
    for n in range(len(out)):
        terms = [
            cross_entropy(targets[i, n], student[j, n] / temperature)
            for i in range(len(targets))
            for j in range(len(student))
            if i != j
        ]
        out[n] = sum(terms) / len(terms)
    return out


def dino(student, teacher, center, *, student_temperature=0.1, teacher_temperature=0.04):
    """Caron et al. (2021), algorithm 1: the teacher is centered, then sharpened."""
    teacher, center = float64(teacher, center)
    targets = [
        [softmax((logits - center) / teacher_temperature) for logits in view] for view in teacher
    ]
    return cross_view(student, np.array(targets), temperature=student_temperature)


def ibot_patch(
    student, teacher, center, mask, *, student_temperature=0.1, teacher_temperature=0.04
):
    """Zhou et al. (2022), section 3: mean cross-entropy over the hidden patches per image."""
    student, teacher, center = float64(student, teacher, center)
    out = []
    for s, t, hidden in zip(student, teacher, np.asarray(mask), strict=True):
        terms = [
            cross_entropy(
                softmax((t[i] - center) / teacher_temperature), s[i] / student_temperature
            )
            for i in range(len(s))
            if hidden[i]
        ]
        out.append(sum(terms) / len(terms) if terms else 0.0)
    return np.array(out)


def update_center(center, teacher, *, momentum=0.9):
    """Caron et al. (2021), equation 4."""
    center, teacher = float64(center, teacher)
    total, count = np.zeros_like(center), 0
    for view in teacher:
        for logits in view:
            total, count = total + logits, count + 1
    return momentum * center + (1 - momentum) * total / count
