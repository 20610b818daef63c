"""Random erasing's box, drawn in NumPy with a loop."""

import math


def sample_box(rng, h, w, area=(0.02, 1 / 3), aspect=(0.3, 1 / 0.3)):
    """Draw (top, left, height, width) like timm's RandomErasing; None if ten draws do not fit."""
    for _ in range(10):
        target = h * w * rng.uniform(*area)
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        height, width = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < width <= w and 0 < height <= h:
            return rng.integers(h - height + 1), rng.integers(w - width + 1), height, width
    return None
