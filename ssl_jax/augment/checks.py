"""Refuses images that are not pixels in [0, 1]; clipping them would leave one flat color."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

GRAY_OR_COLOR = (1, 3)  # channels

_Function = TypeVar("_Function", bound=Callable[..., Any])
_TOLERANCE = 1e-3  # more than rounding


def on_pixels(function: _Function) -> _Function:
    """Makes a function with a parameter ``image`` refuse what is not floating-point in [0, 1].

    The type is checked always, the values only where they are known: not under ``jit`` or ``vmap``.

    Raises:
      TypeError: when called, ``image`` holds integers or booleans.
      ValueError: when called, its values are out of range.
    """
    position = list(inspect.signature(function).parameters).index("image")

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check_pixels(kwargs["image"] if "image" in kwargs else args[position])
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def check_pixels(image: Any) -> None:
    """Checks an image, or a batch of them.

    Raises:
      TypeError: it holds integers or booleans.
      ValueError: its values are known and out of range.
    """
    dtype = jnp.result_type(image)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"image: {dtype}; expected floating-point pixels from 0 to 1, such as image / 255"
        )
    if isinstance(image, jax.core.Tracer) or not jnp.size(image):
        return
    values = jax.device_get(image).astype(np.float32)  # under a trace, jnp would not compute them
    low, high = values.min(), values.max()
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
        raise ValueError(f"image: values from {low:g} to {high:g}; expected pixels from 0 to 1")


def check_colors(image: Any) -> None:
    """Checks that an image is gray or has the colors red, green and blue.

    Raises:
      ValueError: it has another number of channels, of which no colors are known.
    """
    channels = image.shape[-1]
    if channels not in GRAY_OR_COLOR:
        raise ValueError(f"image: {channels} channels; expected 1 (gray) or 3 (red, green, blue)")
