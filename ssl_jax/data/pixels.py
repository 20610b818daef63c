"""Turns an image of any mode and size into pixels of one shape."""

import contextlib
import enum
import threading
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from ssl_jax.data import formats

Values = tuple[float, float]

_GRAY_MODES = ("1", "L", "LA", "I", "F")
_BYTES = {"1": 1, "L": 1, "P": 1}  # a pixel in memory; 2 of gray with 16 bits, 4 of other modes
_BUDGET = 2**29
_LARGE = 2**26
_STRIP = 2**20
_one_at_a_time = threading.Lock()


class Depth(enum.Enum):
    """How the pixels of an image file are stored."""

    GRAY = "gray, 8 bits"
    COLOR = "color, 8 bits a channel"
    DEEP = "gray, more than 8 bits or floats"
    CUT = "color, 16 bits a channel, of which Pillow reads the upper 8"

    @property
    def is_gray(self) -> bool:
        """Whether there is a single channel."""
        return self in (Depth.GRAY, Depth.DEEP)


@contextlib.contextmanager
def opened(file: str | IO[bytes], shorter: int) -> Iterator[Image.Image]:
    """Opens an image file and applies its EXIF orientation; of an animation, the first frame.

    Args:
      file: a path or an open binary file.
      shorter: the pixels to which the shorter side will be scaled down; a JPEG may be smaller than
        in the file, but not smaller than twice that.

    Large images are decoded one at a time, whatever the number of threads.

    Raises:
      MemoryError: decoding would take more than 512 MiB.
      Exception: the file is damaged; Pillow's decoders raise exceptions of many types.
    """
    with Image.open(file, formats=formats.FORMATS) as image:
        _draft(image, shorter)
        needed = _memory(image)
        if needed > _BUDGET:
            raise MemoryError(
                f"{image.width:,} x {image.height:,} pixels take {needed / 2**20:,.0f} MiB to "
                f"decode; expected at most {_BUDGET / 2**20:,.0f}"
            )
        with _one_at_a_time if needed > _LARGE else contextlib.nullcontext():
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
        return _array(resized, channels)


def fit(image: Image.Image, size: int, channels: int, values: Values | None = None) -> np.ndarray:
    """Resizes the shorter side to `size` (bilinear, antialiased) and crops the center.

    Transparent pixels are blended with white.

    Args:
      image: of any mode.
      size: side of the result in pixels.
      channels: 1 or 3.
      values: of gray images of more than 8 bits, the values that become black and white. By
        default integers are taken as 16-bit, and floats as [0, 1] if none is above 1, else as
        [0, 255].

    Returns:
      uint8 [size, size, channels].
    """
    image = _plain(image, channels, values)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=square)
    return _array(resized, channels)


def squeeze(
    image: Image.Image, size: int, channels: int, values: Values | None = None
) -> np.ndarray:
    """Resizes the whole image to a square, each side by its own factor; see `fit`.

    Returns:
      uint8 [size, size, channels].
    """
    plain = _plain(image, channels, values)
    return _array(plain.resize((size, size), Image.Resampling.BILINEAR), channels)


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
    box = (left, top, left + width, top + height)

    def cut(pixels: np.ndarray) -> np.ndarray:
        square = Image.fromarray(pixels).crop(box)
        return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))

    if channels == 3:
        return cut(squeezed)
    return np.stack(
        [cut(np.ascontiguousarray(plane)) for plane in np.moveaxis(squeezed, -1, 0)], -1
    )


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


def depth(image: Image.Image) -> Depth:
    """Returns how the pixels of an opened image file are stored."""
    if _is_deep(image):
        return Depth.DEEP
    if is_grey(image):
        return Depth.GRAY
    # A tile of an undecoded image says how its pixels are packed, such as "RGB;16B".
    cut = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    return Depth.CUT if cut else Depth.COLOR


def smallest_and_largest(image: Image.Image) -> Values:
    """Returns the smallest and the largest finite value of an image's first channel."""
    strips = [strip[np.isfinite(strip)] for strip in map(np.asarray, _strips(image))]
    finite = [strip for strip in strips if strip.size]
    if not finite:
        raise ValueError("no value is finite")
    return float(min(map(np.min, finite))), float(max(map(np.max, finite)))


def _plain(image: Image.Image, channels: int, values: Values | None = None) -> Image.Image:
    """Converts an image to 8 bits, gray or RGB; transparent pixels are blended with white.

    What is gray stays so, whatever the number of channels: that takes a quarter of the memory.
    """
    if _is_deep(image):
        return _to_8_bit(image, values)
    if image.mode == "L" and not image.has_transparency_data:
        return image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    image = image.convert("RGB")
    return image if channels == 3 else image.convert("L")


def _array(image: Image.Image, channels: int) -> np.ndarray:
    """Returns the pixels of a gray or RGB image, uint8 [h, w, channels]."""
    if channels == 3:
        image = image.convert("RGB")
    return np.asarray(image).reshape(image.height, image.width, channels)


def _memory(image: Image.Image) -> int:
    """Returns the bytes that an image takes once it is decoded."""
    default = 2 if image.mode.startswith("I;16") else 4
    return image.width * image.height * _BYTES.get(image.mode, default)


def _draft(image: Image.Image, size: int) -> None:
    """Lets the JPEG decoder shrink the image while decoding, to at least twice the final size."""
    scale = 2 * size / min(image.size)
    if scale < 1:
        width, height = image.size
        image.draft(None, (round(width * scale), round(height * scale)))


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Cuts an image into strips of about a million pixels."""
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _to_8_bit(image: Image.Image, values: Values | None) -> Image.Image:
    """Scales deep gray to 8 bits, strip by strip; see `fit`. What is not a number becomes black."""
    if values is None:
        values = (0, 65535)
        if image.mode == "F":
            largest = max(np.nan_to_num(np.asarray(strip)).max() for strip in _strips(image))
            values = (0, 1) if largest <= 1 else (0, 255)
    low, high = values
    plain = Image.new("L", image.size)
    top = 0
    for strip in _strips(image):
        shares = (np.asarray(strip).astype(np.float64) - low) / (high - low)
        scaled = np.round(np.clip(np.nan_to_num(shares, posinf=1, neginf=0), 0, 1) * 255)
        plain.paste(Image.fromarray(scaled.astype(np.uint8)), (0, top))
        top += strip.height
    return plain
