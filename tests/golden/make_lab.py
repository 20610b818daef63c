"""Records what scikit-image says CIELAB is of a few colors.

python -m tests.golden.make_lab

``lab.json`` holds ``rgb``: the corners of the cube, colors within and dark ones; ``lab``: the same
colors by scikit-image; ``beyond``: colors of CIELAB, most of which sRGB does not have; and
``clipped``: those in sRGB by scikit-image. Needs scikit-image.
"""

import json
import warnings
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "lab.json"


def main() -> None:
    """Writes ``lab.json``."""
    from skimage import __version__, color

    rng = np.random.default_rng(0)
    corners = list(np.ndindex(2, 2, 2))
    rgb = np.concatenate([corners, rng.uniform(size=(24, 3)), rng.uniform(0, 0.06, (8, 3))])
    beyond = rng.uniform([30, -80, -60], [90, 80, 60], (24, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some colors are beyond sRGB
        clipped = color.lab2rgb(beyond)
    found = {"rgb": rgb, "lab": color.rgb2lab(rgb), "beyond": beyond, "clipped": clipped}
    rounded = {name: x.round(7).tolist() for name, x in found.items()}
    GOLDEN.write_text(json.dumps({"scikit-image": __version__} | rounded, indent=1) + "\n")


if __name__ == "__main__":
    main()
