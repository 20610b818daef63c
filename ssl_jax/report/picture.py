"""Pictures inside the HTML."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST_SIDE = 96
CRISP_SIDE = 48  # small pictures are enlarged without smoothing


def picture(image: np.ndarray) -> str:
    """Returns an image as a data URI: small ones as PNG, large ones shrunk and as JPEG.

    Args:
      image: [h, w, c], uint8 or floats in [0, 1]. One or two channels are drawn in gray from the
        first, more in color from the first three.
    """
    if image.dtype != np.uint8:
        image = np.round(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    drawn = Image.fromarray(
        np.ascontiguousarray(image[..., :3] if image.shape[-1] > 2 else image[..., 0])
    )
    drawn.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    kind = "png" if max(drawn.size) <= CRISP_SIDE else "jpeg"
    file = io.BytesIO()
    drawn.save(file, kind, optimize=True, **({"quality": 85} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
