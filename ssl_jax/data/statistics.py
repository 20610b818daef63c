"""Mean and standard deviation per channel, which networks use to normalize pixels."""

import numpy as np

from ssl_jax.data.dataset import Source, gather

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100 = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))

# From `measure` over all 60,000 training images of the original files, rounded.
FASHION_MNIST = ((0.2860,), (0.3530,))

# From `measure` over the 10,000 training clips, rounded.
MOVING_FASHION = ((0.0696,), (0.2070,))

_IMAGES = 2000
_CHUNK = 100
_FLOOR = 1e-3


def measure(
    source: Source, images: int = _IMAGES, *, column: str = "image"
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measures mean and standard deviation per channel, on evenly spaced images of a source.

    The result is exact for those images, since it is computed from counts of the 256 pixel values.

    Args:
      source: examples with `image`, uint8 [h, w, c].
      images: maximum number of images to read.
      column: the entry to measure: `image`, or for example `video`, uint8 [f, h, w, c].

    Returns:
      The mean and the standard deviation per channel, of pixels in [0, 1]. The deviation is at
      least 0.001, so that it is safe to divide by.
    """
    counts: list[np.ndarray] = []
    spaced = np.unique(np.linspace(0, len(source) - 1, images).astype(int))
    for start in range(0, len(spaced), _CHUNK):
        batch = gather(source, spaced[start : start + _CHUNK])[column]
        channels = np.moveaxis(batch, -1, 0).reshape(batch.shape[-1], -1)
        counts.append(np.stack([np.bincount(channel, minlength=256) for channel in channels]))
    shares = np.sum(counts, axis=0) / np.sum(counts, axis=(0, 2))[:, None]
    values = np.arange(256) / 255
    mean = shares @ values
    std = np.sqrt(np.sum(shares * (values - mean[:, None]) ** 2, axis=1))
    return tuple(mean.tolist()), tuple(np.maximum(std, _FLOOR).tolist())
