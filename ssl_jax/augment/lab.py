"""Conversions between sRGB and CIELAB, which separates lightness from color.

``L`` is the lightness, from 0 to 100. ``a`` goes from green to red, from -86.2 to 98.2 in sRGB, and
``b`` from blue to yellow, from -107.9 to 94.5; both are 0 for gray. Equal distances look about
equally large. Red, ``(1, 0, 0)``, is ``(53.24, 80.09, 67.20)``.

The constants are those of scikit-image: sRGB's primaries, and the white D65 of the 2 degree
observer.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([[0.95047], [1.0], [1.08883]])
_TO_XYZ = _XYZ_OF_RGB / _WHITE  # as shares of white
_TO_RGB = np.linalg.inv(_TO_XYZ)
_LINEAR_BELOW = 0.008856
_SLOPE, _OFFSET = 7.787, 16 / 116
_GAMMA = 2.4


def rgb_to_lab(rgb: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
    """Converts sRGB to CIELAB.

    With linear light ``X``, ``Y`` and ``Z`` as shares of white, and ``f`` the cube root, continued
    by a straight line below .008856::

        L = 116 f(Y) - 16,  a = 500 (f(X) - f(Y)),  b = 200 (f(Y) - f(Z))

    Args:
      rgb: ``[..., 3]`` in [0, 1].

    Returns:
      ``[..., 3]``: ``L``, ``a`` and ``b``.

    References:
      CIE 15, Colorimetry, https://en.wikipedia.org/wiki/CIELAB_color_space; IEC 61966-2-1, for
      sRGB; scikit-image's ``color.rgb2lab``.
    """
    planes = jnp.moveaxis(rgb, -1, 0)
    curve = ((planes + 0.055) / 1.055) ** _GAMMA
    xyz = _product(_TO_XYZ, jnp.where(planes > 0.04045, curve, planes / 12.92))
    root = jnp.cbrt(jnp.maximum(xyz, _LINEAR_BELOW))
    x, y, z = jnp.where(xyz > _LINEAR_BELOW, root, _SLOPE * xyz + _OFFSET)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
    """Inverts ``rgb_to_lab``.

    Args:
      lab: ``[..., 3]``: ``L``, ``a`` and ``b``.

    Returns:
      ``[..., 3]`` in [0, 1]: sRGB. Colors that it does not have are clipped, channel by channel.

    References:
      scikit-image's ``color.lab2rgb``.
    """
    lightness, a, b = jnp.moveaxis(lab, -1, 0)
    y = (lightness + 16) / 116
    roots = jnp.stack([y + a / 500, y, y - b / 200])
    is_cube = roots > _SLOPE * _LINEAR_BELOW + _OFFSET
    linear = _product(_TO_RGB, jnp.where(is_cube, roots**3, (roots - _OFFSET) / _SLOPE))
    curve = 1.055 * jnp.maximum(linear, 0.0031308) ** (1 / _GAMMA) - 0.055
    planes = jnp.where(linear > 0.0031308, curve, 12.92 * linear)
    return jnp.clip(jnp.moveaxis(planes, 0, -1), 0, 1)


def _product(matrix: np.ndarray, planes: Float[Array, "3 ..."]) -> Float[Array, "3 ..."]:
    return jnp.tensordot(matrix.astype(planes.dtype), planes, 1, precision="highest")
