"""The image formats that are read. HEIC needs the extra `heic`."""

import importlib.util
import warnings
from collections.abc import Iterable

_HEIC = importlib.util.find_spec("pillow_heif") is not None
_HEIC_ENDINGS = (".heic", ".heif")

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", *(("HEIF",) if _HEIC else ()))
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm"),
    *(_HEIC_ENDINGS if _HEIC else ()),
)


def prepare() -> None:
    """Registers the decoder of HEIC, and silences Pillow's warnings.

    These are about damaged metadata and very large images. The filter is global because
    `warnings.catch_warnings` does not work across threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    if _HEIC:
        import pillow_heif

        pillow_heif.register_heif_opener()


def hint(endings: Iterable[str]) -> str:
    """Says which extra reads files that end in some of the endings; empty if none does."""
    missing = () if _HEIC else sorted(set(endings) & set(_HEIC_ENDINGS))
    return f"; pip install 'ssl_jax[heic]' reads {', '.join(missing)}" if missing else ""
