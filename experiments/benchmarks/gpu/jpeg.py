"""Whether reading keeps up with the device: JPEG files of 500 x 375, decoded to 224 px by threads.

Files are read as ``folder:`` reads data larger than ``data.cache_mib``: in shuffled batches of 256,
the next ones in the background. The files are in the page cache. The ratio is the time to read a
batch over the time of SimCLR's ResNet-50 step on it. If it is at most 1, the device does not wait.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from experiments.benchmarks.gpu import heat, simclr, table
from experiments.benchmarks.gpu.job import Measured
from experiments.benchmarks.race import Contestant

THREADS = (1, 4, 8, 16)
FILES = 320  # one in ten goes to the test set; at least 256 must remain for a batch
WIDTH, HEIGHT, QUALITY = 500, 375, 90
_SECONDS = 2.0  # minimum reading time
STEP = "SimCLR's step alone"


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row per number of threads."""
    piece = table.Piece(f"reading JPEG files of {WIDTH} x {HEIGHT}", "uint8", simclr.IMAGES, None)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), FILES)
        readers = [
            Contestant(f"reading, threads: {count}", reading, (folder, count)) for count in THREADS
        ]
        outcomes = heat.run([Contestant(STEP, simclr.ours), *readers], until)
    yield table.rows(piece, chip, STEP, outcomes)


def write(folder: Path, count: int) -> None:
    """Writes pictures with detail at several scales: about 94 kB each (ImageNet: 110 kB)."""
    generator = np.random.default_rng(0)
    for number in range(count):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for cell, strength in ((125, 80), (25, 60), (5, 45), (2, 40), (1, 45)):
            small = (HEIGHT // cell, WIDTH // cell, 3)
            noise = Image.fromarray(generator.integers(0, 256, small, np.uint8))
            layer = noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            picture += strength / 256 * np.asarray(layer, np.float32)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:04}.jpg", quality=QUALITY
        )


class Reading(NamedTuple):
    """A source that is read in batches."""

    source: Any
    images: int

    def ready(self) -> None:
        """Does nothing: building is all the preparation."""

    def turn(self) -> Measured:
        """Returns the mean time to read a batch; the first batch is not counted."""
        from ssl_jax import data

        stream = data.batches(self.source, self.images, seed=0)
        next(stream)
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < _SECONDS:
            next(stream)
            count += 1
        seconds = (time.perf_counter() - begin) / count
        stream.close()
        return Measured(seconds)


def reading(folder: str, threads: int, images: int = simclr.IMAGES) -> Reading:
    """Builds the reader of a folder with ``threads`` threads; a run uses one per core."""
    from ssl_jax import data
    from ssl_jax.data import dataset

    pool = ThreadPoolExecutor(threads)
    dataset.readers = lambda: pool  # type: ignore[assignment]
    settings = {"name": f"folder:{folder}", "image_size": simclr.SIDE, "channels": 3}
    normal = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    return Reading(data.load(settings | normal | {"cache_mib": 0}).train, images)
