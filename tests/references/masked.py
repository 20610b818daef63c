"""Masked reconstruction re-derived with plain loops in float64."""

import numpy as np


def normalized(patch):
    """He et al. (2022): scales a patch by its own mean and unbiased variance."""
    mean = sum(patch) / len(patch)
    variance = sum((x - mean) ** 2 for x in patch) / (len(patch) - 1)
    return (patch - mean) / np.sqrt(variance + 1e-6)


def masked_mse(predictions, targets, mask, *, normalize_targets=False):
    """He et al. (2022): mean squared error over hidden patches; 0 without any."""
    predictions, targets = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    out = []
    for i in range(len(predictions)):
        errors = []
        for j in range(predictions.shape[1]):
            if mask[i, j]:
                target = normalized(targets[i, j]) if normalize_targets else targets[i, j]
                difference = predictions[i, j] - target
                errors.append(sum(difference**2) / len(difference))
        out.append(sum(errors) / len(errors) if errors else 0.0)
    return np.array(out)


def smooth_l1(error, beta):
    """Girshick (2015), equation 3, with its quadratic part up to |e| = beta."""
    error = abs(error)
    return error**2 / (2 * beta) if error <= beta else error - beta / 2


def masked_smooth_l1(predictions, targets, mask, *, beta=1.0):
    """Baevski et al. (2022), equation 4: mean over hidden positions; 0 without any."""
    predictions, targets = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    out = []
    for i in range(len(predictions)):
        errors = []
        for j in range(predictions.shape[1]):
            if mask[i, j]:
                difference = predictions[i, j] - targets[i, j]
                errors.append(sum(smooth_l1(e, beta) for e in difference) / len(difference))
        out.append(sum(errors) / len(errors) if errors else 0.0)
    return np.array(out)
