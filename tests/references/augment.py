"""Augmentations re-derived in NumPy with loops and float64, on one image [h, w, c] in [0, 1]."""

import colorsys
import math

import numpy as np

ITU_R_601 = (0.299, 0.587, 0.114)


def resize_weights(n_in, n_out):
    """Return the triangle filter of Pillow's Resample.c: [n_out, n_in], rows sum to 1."""
    scale = n_in / n_out
    support = max(scale, 1.0)
    weights = np.zeros((n_out, n_in))
    for i in range(n_out):
        center = (i + 0.5) * scale
        for j in range(n_in):
            weights[i, j] = max(0.0, 1.0 - abs(j + 0.5 - center) / support)
        weights[i] /= weights[i].sum()
    return weights


def crop_and_resize(image, top, left, height, width, *, size):
    """Do what Pillow's `image.crop(box).resize(size, BILINEAR)` does, without rounding to bytes."""
    crop = np.asarray(image, np.float64)[top : top + height, left : left + width]
    rows, columns = resize_weights(height, size[0]), resize_weights(width, size[1])
    out = np.zeros((*size, crop.shape[-1]))
    for c in range(crop.shape[-1]):
        out[..., c] = rows @ crop[..., c] @ columns.T
    return out


def sample_box(rng, h, w, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)):
    """Draw (top, left, height, width) like torchvision's RandomResizedCrop.get_params."""
    for _ in range(10):
        target = h * w * rng.uniform(*area)
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        width, height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < width <= w and 0 < height <= h:
            return rng.integers(h - height + 1), rng.integers(w - width + 1), height, width
    height, width = h, w
    if w / h < aspect[0]:
        height = round(w / aspect[0])
    elif w / h > aspect[1]:
        width = round(h * aspect[1])
    return (h - height) // 2, (w - width) // 2, height, width


def random_crops(image, padding):
    """Return all (2 padding + 1)² crops of the original size from the zero-padded image."""
    h, w, _ = image.shape
    padded = np.pad(np.asarray(image), ((padding, padding), (padding, padding), (0, 0)))
    shifts = range(2 * padding + 1)
    return np.stack([padded[i : i + h, j : j + w] for i in shifts for j in shifts])


def luma(image):
    """Return the gray level [h, w, 1]: ITU-R 601 for color, the image itself for gray."""
    image = np.asarray(image, np.float64)
    if image.shape[-1] == 1:
        return image
    return sum(weight * image[..., i : i + 1] for i, weight in enumerate(ITU_R_601))


def _blend(degenerate, image, factor):
    """Pillow's Image.blend: extrapolates for factors outside [0, 1], then clips."""
    return np.clip(degenerate * (1 - factor) + np.asarray(image, np.float64) * factor, 0.0, 1.0)


def adjust_brightness(image, factor):
    """ImageEnhance.Brightness."""
    return _blend(0.0, image, factor)


def adjust_contrast(image, factor):
    """ImageEnhance.Contrast, without rounding the mean."""
    return _blend(luma(image).mean(), image, factor)


def adjust_saturation(image, factor):
    """ImageEnhance.Color."""
    return _blend(luma(image), image, factor)


def adjust_hue(image, shift):
    """Rotate the hue of each pixel by `shift` turns in HSV."""
    out = np.asarray(image, np.float64).copy()
    if out.shape[-1] == 1:
        return out
    for pixel in out.reshape(-1, 3):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        pixel[:] = colorsys.hsv_to_rgb((h + shift) % 1.0, s, v)
    return out


def grayscale(image):
    """Return the luma, repeated for each channel of the image."""
    return np.repeat(luma(image), image.shape[-1], axis=-1)


def solarize(image, threshold):
    """ImageOps.solarize: inverts the pixels at or above the threshold."""
    image = np.asarray(image, np.float64)
    return np.where(image >= threshold, 1 - image, image)


def blur(image, sigma, *, kernel_size):
    """Convolve with a normalized Gaussian of `kernel_size` taps; borders are mirrored."""
    radius = kernel_size // 2
    kernel = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)]
    kernel = [k / sum(kernel) for k in kernel]
    out = np.asarray(image, np.float64)
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(out, pad, mode="reflect")
        out = sum(
            k * np.take(padded, range(i, i + image.shape[axis]), axis) for i, k in enumerate(kernel)
        )
    return out


def blur_kernel_size(h, w):
    """Return SimCLR's tenth of the smaller side, made odd as 2 (k // 2) + 1, at least 3."""
    return max(3, 2 * (min(h, w) // 10 // 2) + 1)
