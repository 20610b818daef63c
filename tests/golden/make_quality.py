"""Records what scikit-image says about the quality of a few pictures.

python -m tests.golden.make_quality

``quality.json`` holds, for each case, scikit-image's mean squared error, PSNR and SSIM of the
pictures from ``pictures``. Needs scikit-image.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "quality.json"
SHAPES = {"gray": (16, 13, 1), "color": (11, 12, 3), "smallest": (7, 7, 1)}


def pictures(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns three pictures ``[3, h, w, c]`` float32 in [0, 1], and noisier and noisier copies."""
    rng = np.random.default_rng(sum(shape))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    waves = np.sin(rows / 2 + rng.uniform(0, 6, (3, shape[2], 1, 1))) * np.cos(columns / 3)
    truth = np.clip(0.5 + 0.7 * np.moveaxis(waves, 1, -1), 0, 1)
    noise = np.reshape([0.01, 0.1, 0.5], (3, 1, 1, 1)) * rng.normal(size=truth.shape)
    return truth.astype(np.float32), np.clip(truth + noise, 0, 1).astype(np.float32)


def main() -> None:
    """Writes ``quality.json``."""
    from skimage import __version__, metrics

    found = {"scikit-image": __version__}
    for name, shape in SHAPES.items():
        pairs = [
            (a.astype(np.float64), b.astype(np.float64))
            for a, b in zip(*pictures(shape), strict=True)
        ]
        found[name] = {
            "mse": [metrics.mean_squared_error(a, b) for a, b in pairs],
            "psnr": [metrics.peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs],
            "ssim": [
                metrics.structural_similarity(a, b, data_range=1, channel_axis=-1) for a, b in pairs
            ],
        }
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
