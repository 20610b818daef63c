"""Images of every mode and format become the same kind of pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from ssl_jax.data import formats, pixels
from ssl_jax.data.frame import Frame

formats.prepare()  # registers the encoder of HEIC too

RED = {
    "RGB": (255, 0, 0),
    "RGBA": (255, 0, 0, 255),
    "RGBX": (255, 0, 0, 0),
    "CMYK": (0, 255, 255, 0),
    "YCbCr": (76, 85, 255),
    "HSV": (0, 255, 255),
    "LAB": (136, 208, 195),
}


def decoded(file, size, channels):
    return Frame(size, channels).decode(file)["image"]


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("mode", RED)
def test_color_modes_are_converted(mode):
    image = pixels.fit(Image.new(mode, (6, 4), RED[mode]), 4, 3)
    assert image.shape == (4, 4, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[0, 0], (255, 0, 0), atol=12)
    np.testing.assert_allclose(pixels.fit(Image.new(mode, (6, 4), RED[mode]), 4, 1), 76, atol=3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, 255),
        ("L", 100, 100),
        ("LA", (100, 255), 100),
        ("LA", (100, 0), 255),
        ("I;16", 65535, 255),
        ("I;16", 30000, 117),
        ("I;16B", 30000, 117),
        ("I", 30000, 117),
        ("I", -5, 0),
        ("I", 10**6, 255),
        ("F", 0.5, 128),
        ("F", 100.0, 100),
        ("F", 1e9, 255),
        ("F", float("nan"), 0),
        ("RGBA", (0, 0, 0, 0), 255),
        ("RGBA", (0, 0, 0, 128), 127),
        ("RGBa", (0, 0, 0, 0), 255),
    ],
)
def test_gray_depths_and_transparency_are_converted(mode, value, expected, channels):
    image = pixels.fit(Image.new(mode, (5, 5), value), 5, channels)
    assert image.shape == (5, 5, channels)
    np.testing.assert_allclose(image, expected, atol=1)


def test_palettes_with_and_without_transparency():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    np.testing.assert_array_equal(pixels.fit(image, 4, 3)[0, 0], (10, 20, 30))
    file = encoded(image, "PNG", transparency=b"\xff\x00")
    np.testing.assert_array_equal(decoded(file, 4, 3)[0, 0], (255, 255, 255))
    pa = Image.new("PA", (4, 4), (0, 0))
    np.testing.assert_array_equal(pixels.fit(pa, 4, 3)[0, 0], (255, 255, 255))


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_transparent_color_in_png_becomes_white(mode):
    file = encoded(
        Image.new(mode, (4, 4), 0), "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0
    )
    assert (decoded(file, 4, 3) == 255).all()


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_formats_are_decoded(kind):
    gradient = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    image = decoded(encoded(Image.fromarray(gradient), kind), 24, 1)
    np.testing.assert_allclose(image[..., 0], gradient, atol=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_of_an_animation_is_used(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    file = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decoded(file, 8, 3)[0, 0], (255, 0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind, orientation):
    upright = np.zeros((16, 16, 1), np.uint8)
    upright[:8, :8] = 255
    upright[:8, 8:] = 120
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = Image.fromarray(upright[..., 0])
    if orientation in undo:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(image.convert("RGB"), kind, exif=exif)
    np.testing.assert_allclose(decoded(file, 16, 1), upright, atol=12)


def test_damaged_exif_data_is_ignored():
    formats.prepare()
    file = encoded(
        Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1"
    )
    assert decoded(file, 8, 3).shape == (8, 8, 3)


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (21, 20), (20, 20)])
def test_the_center_is_cropped_and_proportions_are_kept(width, height):
    image = Image.new("L", (width, height), 0)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    image.paste(200, (left, top, left + side, top + side))
    assert pixels.fit(image, 10, 1)[1:-1, 1:-1].min() >= 195


def test_an_image_one_pixel_wide_is_resized():
    assert (pixels.fit(Image.new("L", (1, 300), 9), 10, 1) == 9).all()


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    np.testing.assert_allclose(pixels.fit(Image.fromarray(stripes), 8, 1)[2:-2, 2:-2], 128, atol=8)


def test_shrinking_a_jpeg_while_decoding_changes_little():
    y, x = np.mgrid[:512, :768]
    smooth = (127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 30)).astype(np.uint8)
    file = encoded(Image.fromarray(smooth), "JPEG", quality=95)
    resized = pixels.fit(Image.open(io.BytesIO(file.getvalue())), 32, 1)
    shrunk_while_decoding = decoded(file, 32, 1)
    np.testing.assert_allclose(shrunk_while_decoding.astype(int), resized, atol=3)


@pytest.mark.parametrize(
    ("width", "height", "shorter", "expected"),
    [
        (40, 20, 10, (10, 20)),
        (20, 50, 10, (25, 10)),
        (33, 30, 16, (16, 18)),
        (40, 20, 21, (20, 40)),
    ],
)
def test_a_whole_image_is_scaled_down_but_not_up(width, height, shorter, expected):
    image = Image.linear_gradient("L").resize((width, height))
    decoded = pixels.decode_whole(encoded(image, "PNG"), shorter, 1)
    assert decoded.shape == (*expected, 1)
    np.testing.assert_allclose(
        decoded[:, 0, 0], np.asarray(image.resize(expected[::-1]))[:, 0], atol=4
    )
    transparent = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    whole = pixels.decode_whole(encoded(transparent, "PNG"), shorter, 3)
    assert whole.shape == (*expected, 3)
    assert (whole == 255).all()


def test_a_whole_image_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)
    assert pixels.decode_whole(file, 10, 3).shape == (20, 10, 3)


@pytest.mark.parametrize(
    ("image", "gray"),
    [
        (Image.new("L", (2, 2)), True),
        (Image.new("1", (2, 2)), True),
        (Image.new("LA", (2, 2)), True),
        (Image.new("I;16", (2, 2)), True),
        (Image.new("RGB", (2, 2)), False),
        (Image.new("CMYK", (2, 2)), False),
    ],
)
def test_modes_are_recognized_as_gray(image, gray):
    assert pixels.is_grey(image) is gray


@pytest.mark.parametrize(
    ("palette", "gray"), [([0, 0, 0, 9, 9, 9], True), ([0, 0, 0, 9, 9, 8], False)]
)
def test_palettes_are_recognized_as_gray(palette, gray):
    image = Image.new("P", (2, 2), 1)
    image.putpalette(palette)
    with Image.open(encoded(image, "PNG")) as opened:
        assert opened.mode == "P"
        assert pixels.is_grey(opened) is gray


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"not a picture", b"8BPS\0\1"])
def test_a_file_that_is_not_an_image_raises(content):
    with pytest.raises(OSError, match="identify"):
        decoded(io.BytesIO(content), 8, 3)
