"""Turns an image of any mode and size into pixels of one shape."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_GRAY_MODES = ("1", "L", "LA", "I", "F")


@contextlib.contextmanager
def opened(file: str | IO[bytes], shorter: int) -> Iterator[Image.Image]:
    """Opens an image file and applies its EXIF orientation; of an animation, the first frame.

    Args:
      file: a path or an open binary file.
      shorter: the pixels to which the shorter side will be scaled down; a JPEG may be smaller than
        in the file, but not smaller than twice that.

    Raises:
      Exception: the file is damaged; Pillow's decoders raise exceptions of many types.
    """
    with Image.open(file, formats=FORMATS) as image:
        _draft(image, shorter)
        ImageOps.exif_transpose(image, in_place=True)
        yield image


def decode_whole(file: str | IO[bytes], shorter: int, channels: int) -> np.ndarray:
    """Reads an image file as `opened` does; neither crops nor enlarges the image.

    Args:
      file: a path or an open binary file.
      shorter: the shorter side of the result in pixels, if the image is that large.
      channels: 1 or 3.

    Returns:
      uint8 [h, w, channels].

    Raises:
      Exception: the file is damaged; Pillow's decoders raise exceptions of many types.
    """
    with opened(file, shorter) as upright:
        image = _plain(upright, channels)
        scale = min(1, shorter / min(image.size))
        width, height = (round(scale * side) for side in image.size)
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized).reshape(height, width, channels)


def fit(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Resizes the shorter side to `size` (bilinear, antialiased) and crops the center.

    Transparent pixels are blended with white.

    Returns:
      uint8 [size, size, channels].
    """
    image = _plain(image, channels)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=square)
    return np.asarray(resized).reshape(size, size, channels)


def squeeze(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Resizes the whole image to a square, each side by its own factor; see `fit`.

    Returns:
      uint8 [size, size, channels].
    """
    resized = _plain(image, channels).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size, size, channels)


def center(squeezed: np.ndarray, size: int, share: float, aspect: float) -> np.ndarray:
    """Cuts a square out of the center of an image, whose true aspect ratio it has again.

    Args:
      squeezed: uint8 [s, s, c], from `squeeze`.
      size: side of the result in pixels.
      share: side of the square, as a fraction of the image's shorter side.
      aspect: width of the image before it was squeezed, divided by its height.

    Returns:
      uint8 [size, size, c].
    """
    side, _, channels = squeezed.shape
    width = max(1, round(side * share * min(1, 1 / aspect)))
    height = max(1, round(side * share * min(1, aspect)))
    left, top = (side - width) // 2, (side - height) // 2
    image = Image.fromarray(squeezed[..., 0] if channels == 1 else squeezed)
    square = image.crop((left, top, left + width, top + height))
    resized = square.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size, size, channels)


def is_grey(image: Image.Image) -> bool:
    """Returns whether an opened image is stored as grayscale, or with a palette of grays only."""
    if image.mode == "P" and image.palette is not None:
        layout, entries = image.palette.getdata()
        colors = np.frombuffer(entries, np.uint8)
        if layout != "RGB" or len(colors) % 3:
            return False
        red, green, blue = colors.reshape(-1, 3).T
        return bool(np.all(red == green) and np.all(green == blue))
    return image.mode in _GRAY_MODES or image.mode.startswith("I;16")


def hush() -> None:
    """Silences Pillow's warnings, which are about damaged metadata and very large images.

    The filter is global because `warnings.catch_warnings` does not work across threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """Converts an image to gray or RGB, 8 bits; transparent pixels are blended with white."""
    image = _to_8_bit(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    image = image.convert("RGB")
    return image if channels == 3 else image.convert("L")


def _draft(image: Image.Image, size: int) -> None:
    """Lets the JPEG decoder shrink the image while decoding, to at least twice the final size."""
    scale = 2 * size / min(image.size)
    if scale < 1:
        width, height = image.size
        image.draft(None, (round(width * scale), round(height * scale)))


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Converts grayscale of higher depth to 8 bits; other modes are returned as they are.

    Integers are taken as 16-bit. Floats are taken as [0, 1] if none is above 1, else as [0, 255].
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        scale = 255 if values.max() <= 1 else 1
        return Image.fromarray(np.clip(np.round(values * scale), 0, 255).astype(np.uint8))
    return image
