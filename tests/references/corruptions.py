"""CIFAR-10-C's corruptions in NumPy and scipy, as in the authors' make_cifar_c.py."""

import numpy as np
from scipy import ndimage


def noise_scale(strength):
    """The standard deviation of the Gaussian noise."""
    return {1: 0.04, 2: 0.06, 3: 0.08, 4: 0.09, 5: 0.10}[strength]


def gaussian_blur(image, strength):
    """Blur with scipy, with a width that is relative to a side of 32 pixels."""
    sigma = {1: 0.4, 2: 0.6, 3: 0.7, 4: 0.8, 5: 1.0}[strength] * min(image.shape[:2]) / 32
    out = np.asarray(image, np.float64)
    return ndimage.gaussian_filter(out, (sigma, sigma, 0), mode="mirror", truncate=4.0)


def contrast(image, strength):
    """Move every channel towards its mean."""
    factor = {1: 0.75, 2: 0.5, 3: 0.4, 4: 0.3, 5: 0.15}[strength]
    out = np.asarray(image, np.float64).copy()
    for c in range(out.shape[-1]):
        mean = out[..., c].mean()
        out[..., c] = (out[..., c] - mean) * factor + mean
    return np.clip(out, 0, 1)


def small_side(side, strength):
    """The number of pixels to which ``pixelate`` shrinks a side."""
    return int(side * {1: 0.95, 2: 0.9, 3: 0.85, 4: 0.75, 5: 0.65}[strength])
