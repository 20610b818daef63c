"""RandAugment's operations re-derived in NumPy with loops, on one image [h, w, c] in [0, 1]."""

import math

import numpy as np

from tests.references import augment as color

GRAY = 128 / 255


def auto_contrast(image):
    """Stretch each channel to [0, 1]."""
    out = np.asarray(image, np.float64).copy()
    for c in range(out.shape[-1]):
        low, high = out[..., c].min(), out[..., c].max()
        if high > low:
            out[..., c] = (out[..., c] - low) / (high - low)
    return out


def equalize(image):
    """Count the pixels of each channel level by level, as ImageOps.equalize does."""
    out = np.asarray(image, np.float64).copy()
    for c in range(out.shape[-1]):
        levels = np.round(255 * out[..., c]).astype(int)
        histogram = [int((levels == level).sum()) for level in range(256)]
        step = (levels.size - histogram[levels.max()]) // 255
        if step == 0:
            continue
        table, count = [], step // 2
        for level in range(256):
            table.append(min(255, count // step))
            count += histogram[level]
        for index in np.ndindex(levels.shape):
            out[*index, c] = table[levels[index]] / 255
    return out


def posterize(image, bits):
    """Set the lowest 8 - bits bits of each level to 0."""
    levels = np.round(255 * np.asarray(image, np.float64)).astype(int)
    return np.vectorize(lambda level: int(f"{level:08b}"[:bits].ljust(8, "0"), 2))(levels) / 255


def adjust_sharpness(image, factor):
    """Blend with the weighted mean of each pixel's neighborhood, except at the border."""
    image = np.asarray(image, np.float64)
    smooth = image.copy()
    for i in range(1, image.shape[0] - 1):
        for j in range(1, image.shape[1] - 1):
            neighborhood = image[i - 1 : i + 2, j - 1 : j + 2].sum((0, 1))
            smooth[i, j] = (neighborhood + 4 * image[i, j]) / 13
    return np.clip(factor * image + (1 - factor) * smooth, 0, 1)


def warp(image, source):
    """Fetch each pixel from ``source(x, y)``, coordinates from the top left corner."""
    image = np.asarray(image, np.float64)
    h, w, _ = image.shape
    out = np.full_like(image, GRAY)
    for i in range(h):
        for j in range(w):
            x, y = source(j + 0.5, i + 0.5)
            if 0 <= x < w and 0 <= y < h:
                out[i, j] = image[int(y), int(x)]
    return out


def rotate(image, degrees):
    """Rotate counterclockwise: in the image y points down, so the source is clockwise."""
    h, w, _ = image.shape
    angle = math.radians(degrees)

    def source(x, y):
        point = complex(x - w / 2, h / 2 - y) * complex(math.cos(angle), -math.sin(angle))
        return w / 2 + point.real, h / 2 - point.imag

    return warp(image, source)


def apply(image, name, sign, magnitude):
    """Apply one operation of RandAugment; the ranges are those of the authors' autoaugment.py."""
    m = magnitude / 10
    h, w, _ = image.shape
    return {
        "identity": lambda: np.asarray(image, np.float64),
        "auto_contrast": lambda: auto_contrast(image),
        "equalize": lambda: equalize(image),
        "solarize": lambda: color.solarize(image, (math.floor(256 * m) - 0.5) / 255),
        "color": lambda: color.adjust_saturation(image, 0.1 + 1.8 * m),
        "posterize": lambda: posterize(image, math.floor(4 * m)),
        "contrast": lambda: color.adjust_contrast(image, 0.1 + 1.8 * m),
        "brightness": lambda: color.adjust_brightness(image, 0.1 + 1.8 * m),
        "sharpness": lambda: adjust_sharpness(image, 0.1 + 1.8 * m),
        "rotate": lambda: rotate(image, sign * 30 * m),
        "shear_x": lambda: warp(image, lambda x, y: (x + sign * 0.3 * m * y, y)),
        "shear_y": lambda: warp(image, lambda x, y: (x, y + sign * 0.3 * m * x)),
        "translate_x": lambda: warp(image, lambda x, y: (x + sign * m * w * 100 / 224, y)),
        "translate_y": lambda: warp(image, lambda x, y: (x, y + sign * m * h * 100 / 224)),
    }[name]()
