"""How close pictures come to the true ones, one number per picture."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

Pictures = Float[Array, "n h w c"]

_LEAST_ERROR = 1e-10  # of 100 dB
_WINDOW = 7
_C1, _C2 = 0.01**2, 0.03**2


def scores(pictures: Pictures, truth: Pictures, name: str = "") -> dict[str, Float[Array, " n"]]:
    """Returns the entries of ``Method.score`` for pictures: ``mse``, ``psnr`` and ``ssim``.

    Args:
      pictures: ``[n, h, w, c]``; what lies outside [0, 1] is clipped.
      truth: ``[n, h, w, c]`` in [0, 1].
      name: of a yardstick; it is appended to the names, as in ``psnr_bicubic``.

    Returns:
      ``[n]`` for each name; no ``ssim`` if a side has fewer than 7 pixels.
    """
    pictures = jnp.clip(pictures, 0, 1)
    found = {"mse": mse(pictures, truth), "psnr": psnr(pictures, truth)}
    if min(truth.shape[1:3]) >= _WINDOW:
        found["ssim"] = ssim(pictures, truth)
    return {f"{key}_{name}" if name else key: value for key, value in found.items()}


def mse(pictures: Pictures, truth: Pictures) -> Float[Array, " n"]:
    """Returns the mean squared error over the pixels and channels of each picture."""
    return jnp.square(pictures - truth).mean(axis=(1, 2, 3))


def psnr(pictures: Pictures, truth: Pictures) -> Float[Array, " n"]:
    """Returns the peak signal-to-noise ratio in decibels: ``-10 log10(mse)``, at most 100.

    It is scikit-image's ``peak_signal_noise_ratio`` with a data range of 1, except that this is
    infinite for equal pictures; a mean over pictures should be finite.

    Args:
      pictures: ``[n, h, w, c]`` in [0, 1].
      truth: ``[n, h, w, c]`` in [0, 1].
    """
    return -10 * jnp.log10(jnp.maximum(mse(pictures, truth), _LEAST_ERROR))


def ssim(pictures: Pictures, truth: Pictures) -> Float[Array, " n"]:
    """Returns the structural similarity, at most 1, which equal pictures have.

    In each window of 7 x 7 pixels, for each channel, with the means ``m``, the variances ``v`` and
    the covariance ``v_xy`` of the two pictures:

        (2 m_x m_y + .01^2) (2 v_xy + .03^2) / ((m_x^2 + m_y^2 + .01^2) (v_x + v_y + .03^2))

    The mean over all windows that lie within the picture, and over channels, is returned. It is
    scikit-image's ``structural_similarity`` with its defaults and a data range of 1; variances are
    unbiased.

    Args:
      pictures: ``[n, h, w, c]`` in [0, 1].
      truth: ``[n, h, w, c]`` in [0, 1]; the sides have at least 7 pixels.

    References:
      Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004,
      equation 13, https://doi.org/10.1109/TIP.2003.819861; the authors weight the pixels of larger
      windows by a Gaussian.
    """
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    mean_x, mean_y = _means(pictures), _means(truth)
    variances = unbiased * (_means(pictures**2) - mean_x**2 + _means(truth**2) - mean_y**2)
    covariance = unbiased * (_means(pictures * truth) - mean_x * mean_y)
    likeness = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return (likeness / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2))).mean(axis=(1, 2, 3))


def _means(x: Pictures) -> Float[Array, "n y x c"]:
    """Returns the mean of each window that lies within the picture."""
    return nnx.avg_pool(x, (_WINDOW, _WINDOW), strides=(1, 1), padding="VALID")
