"""mixup and CutMix re-derived in NumPy with loops."""

import numpy as np


def mixup(images, targets, share):
    """Equation 1 of mixup for each example and the one at the same place from the end."""
    images, targets = np.asarray(images, np.float64), np.asarray(targets, np.float64)
    mixed, mixed_targets = np.zeros_like(images), np.zeros_like(targets)
    for i in range(len(images)):
        j = len(images) - 1 - i
        mixed[i] = share * images[i] + (1 - share) * images[j]
        mixed_targets[i] = share * targets[i] + (1 - share) * targets[j]
    return mixed, mixed_targets


def box(h, w, share, y, x):
    """Return CutMix's box, lines 5 to 12 of algorithm A1: top, bottom, left, right.

    ``share`` is lambda; ``y`` and ``x`` are the center as fractions of the image.
    """
    height, width = h * np.sqrt(1 - share), w * np.sqrt(1 - share)
    top, bottom = max(y * h - height / 2, 0), min(y * h + height / 2, h)
    left, right = max(x * w - width / 2, 0), min(x * w + width / 2, w)
    return tuple(round(float(edge)) for edge in (top, bottom, left, right))


def cutmix(images, targets, top, bottom, left, right):
    """Paste the box of each partner, and weight the targets by the areas."""
    images, targets = np.asarray(images, np.float64), np.asarray(targets, np.float64)
    _, h, w, _ = images.shape
    mixed, mixed_targets = images.copy(), np.zeros_like(targets)
    share = 1 - (bottom - top) * (right - left) / (h * w)
    for i in range(len(images)):
        j = len(images) - 1 - i
        mixed[i, top:bottom, left:right] = images[j, top:bottom, left:right]
        mixed_targets[i] = share * targets[i] + (1 - share) * targets[j]
    return mixed, mixed_targets
