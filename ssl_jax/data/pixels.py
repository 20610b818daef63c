"""From a picture, in any mode and size, to pixels of one shape."""

import warnings
from typing import IO

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_GREY_MODES = ("1", "L", "LA", "I", "F")


def decode(file: str | IO[bytes], size: int, channels: int) -> np.ndarray:
    """Reads a picture file; of an animation the first frame, with the EXIF orientation applied.

    Args:
      file: a path or an open binary file.
      size: height and width of the result.
      channels: 1 or 3.

    Returns:
      uint8 [size, size, channels].

    Raises:
      Exception: whatever Pillow's decoders raise on damaged files, which is of many types.
    """
    with Image.open(file, formats=FORMATS) as image:
        _draft(image, size)
        ImageOps.exif_transpose(image, in_place=True)
        return fit(image, size, channels)


def fit(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Resizes the shorter side to `size` (bilinear, antialiased) and crops the centre.

    Returns:
      uint8 [size, size, channels].
    """
    image = _eight_bit(image)
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
    image = image.convert("RGB")
    if channels == 1:
        image = image.convert("L")
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    small = image.resize((size, size), Image.Resampling.BILINEAR, box=square)
    return np.asarray(small).reshape(size, size, channels)


def is_grey(image: Image.Image) -> bool:
    """Whether an opened picture is stored in grey; a palette counts if all its entries are grey."""
    if image.mode == "P" and image.palette is not None:
        layout, entries = image.palette.getdata()
        colours = np.frombuffer(entries, np.uint8)
        if layout != "RGB" or len(colours) % 3:
            return False
        red, green, blue = colours.reshape(-1, 3).T
        return bool(np.all(red == green) and np.all(green == blue))
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def hush() -> None:
    """Ignores Pillow's warnings, which are about damaged metadata and very large pictures.

    They come from many threads, where `warnings.catch_warnings` does not hold.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _draft(image: Image.Image, size: int) -> None:
    """Lets a JPEG decoder shrink while it decodes, to no less than twice what is needed."""
    scale = 2 * size / min(image.size)
    if scale < 1:
        width, height = image.size
        image.draft(None, (round(width * scale), round(height * scale)))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Brings deep grey to 8 bits: integers from 16 bits, floats from [0, 1] or else [0, 255]."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        scale = 255 if values.max() <= 1 else 1
        return Image.fromarray(np.clip(np.round(values * scale), 0, 255).astype(np.uint8))
    return image
