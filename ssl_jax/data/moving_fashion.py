"""Clips of moving garments, rendered from the bundled Fashion-MNIST images.

In each clip, one garment of `fashion_mnist_mini` moves over a black canvas in one of eight ways: it
shifts along x, shifts along y, rotates, or changes size, each in either direction, and speeds up or
slows down a little on the way. All pairs of garment class and motion are equally frequent.

A single frame says little about the motion. Each clip draws a random path for each of four
quantities: x, y, angle and size. The motion decides which one moves along its path. The other three
stay at the value that their path has at a random frame. So the position, angle and size in a
randomly drawn frame have the same distribution for all motions, and each motion is the opposite one
played in reverse. Only the order of the frames tells the two apart, and that order is what Misra et
al., "Shuffle and Learn" (ECCV 2016), learn from.

A frame known to be the first does say a little, since a garment that moves left starts further to
the right. Boosted trees on the true position, angle and size of the first frame predict the motion
of 28 % of clips (8,000 training clips, tested on the other 2,000; chance is 12.5 %).
"""

import math

import numpy as np
from PIL import Image

from ssl_jax.data import memory, statistics
from ssl_jax.data.dataset import Dataset, Example
from ssl_jax.data.fashion_mnist import LABEL_NAMES, read_mini
from ssl_jax.data.frame import Frame
from ssl_jax.data.options import Options
from ssl_jax.errors import InputError

FRAMES = 8
SIZE = 40
MOTIONS = (
    "left",
    "right",
    "up",
    "down",
    "counter-clockwise",
    "clockwise",
    "shrinking",
    "growing",
)

_SEEDS = {"train": 20160808, "test": 20160809}

# One entry per quantity: x and y of the garment's center (in pixels from the canvas's center), the
# angle (clockwise, in radians) and the logarithm of the scale. The constants are the center and
# half the width of its range, whether the range is circular, and the smallest and largest distance
# that it travels in a clip.
_CENTER = np.array([0, 0, 0, math.log(0.69)])
_HALF_RANGE = np.array([9, 9, math.pi, 0.32])
_CIRCULAR = np.array([False, False, True, False])
_MIN_TRAVEL = np.array([4, 4, math.pi / 4, 0.15])
_MAX_TRAVEL = np.array([7, 7, math.pi * 3 / 4, 0.27])
_MAX_BEND = 0.5


class Clips:
    """One clip per picture: `{"video": uint8 [f, h, w, 1], "label": int32, "motion": int32}`.

    A clip depends only on the seed, its index, its picture, and the labels of all clips, which are
    used to balance the motions. It is rendered when it is first read.

    Args:
      pictures: uint8 [n, 28, 28].
      labels: the class of each garment, integers [n].
      seed: determines the motions and the paths.
      keep: whether rendered clips stay in memory, at 12.5 KiB each.
    """

    def __init__(self, pictures: np.ndarray, labels: np.ndarray, seed: int, *, keep: bool = True):
        self.pictures = pictures
        self.labels = labels.astype(np.int32)
        quantities = len(_CENTER)
        draws = _uniform(seed, len(labels), 1 + 4 * quantities)
        self.motions = deal(self.labels, draws[:, 0])
        self.states = move(self.motions, draws[:, 1:].reshape(-1, 4, quantities))
        self._is_rendered = np.zeros(len(labels), bool)
        shape = (len(labels), FRAMES, SIZE, SIZE, 1)
        self._videos = np.empty(shape, np.uint8) if keep else None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Example:
        return {name: column[0] for name, column in self.take(np.array([index])).items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the clips at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        if self._videos is None:
            videos = self._render(indices)
        else:
            missing = indices[~self._is_rendered[indices]]
            self._videos[missing] = self._render(missing)
            self._is_rendered[missing] = True
            videos = self._videos[indices]
        return {"video": videos, "label": self.labels[indices], "motion": self.motions[indices]}

    def _render(self, indices: np.ndarray) -> np.ndarray:
        return render(self.pictures[indices], self.states[indices])


def open_moving(options: Options) -> Dataset:
    """Opens 10,000 training clips, of training images, and 2,000 test clips, of test images.

    Raises:
      InputError: the options ask for an image size or a number of channels that clips do not have.
    """
    facts = {"modality": "video", "image_size": SIZE, "channels": 1, "frames": FRAMES}
    facts["mean"], facts["std"] = statistics.MOVING_FASHION
    for key in ("image_size", "channels"):
        requested = getattr(options, key)
        if requested not in (None, facts[key]):
            raise InputError(
                f"data.{key}: {requested} does not match the clips of {options.name}; "
                f"expected {facts[key]} or None"
            )
    arrays = read_mini()

    def source(split: str) -> Clips:
        labels = arrays[f"{split}_labels"]
        keep = memory.fits(len(labels) * FRAMES, Frame(SIZE, 1), options.cache_mib)
        return Clips(arrays[f"{split}_images"], labels, _SEEDS[split], keep=keep)

    train = source("train")
    return Dataset(
        train, train, source("test"), LABEL_NAMES, facts, further_labels={"motion": MOTIONS}
    )


def deal(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Assigns a motion to each clip; within a class, motion counts differ by at most one.

    Args:
      labels: class of each garment, int [n].
      draws: uniform in [0, 1), [n]; they order the clips within each class.

    Returns:
      Indices into `MOTIONS`, int32 [n].
    """
    motions = np.empty(len(labels), np.int32)
    motions[np.lexsort((draws, labels))] = np.arange(len(labels)) % len(MOTIONS)
    return motions


def move(motions: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Computes where the garment of each clip is in each frame.

    A path has a random `middle` and a random length, `travel`. At time u in [0, 1] it is at
    `middle ± travel (u + bend u (1 - u) - 1/2)`. The middle is drawn such that the path stays in
    the range of its quantity.

    Args:
      motions: indices into `MOTIONS`, int [n].
      draws: uniform in [0, 1), [n, 4, q]: for each quantity the middle, the travel, the bend, and
        the frame at which it rests if it does not move.

    Returns:
      x, y, angle and logarithm of the scale in each frame, [n, f, q].
    """
    middle, travel, bend, rest = np.moveaxis(draws, 1, 0)[:, :, None]
    travel = _MIN_TRAVEL + travel * (_MAX_TRAVEL - _MIN_TRAVEL)
    max_offset = np.where(_CIRCULAR, _HALF_RANGE, _HALF_RANGE - travel / 2)
    bend = _MAX_BEND * (2 * bend - 1)
    moving_quantity, forward = np.divmod(motions[:, None, None], 2)
    frames = np.arange(FRAMES)[:, None]
    moves = moving_quantity == np.arange(len(_CENTER))
    time = np.where(moves, frames, np.floor(rest * FRAMES)) / (FRAMES - 1)
    progress = time + bend * time * (1 - time) - 0.5
    return _CENTER + (2 * middle - 1) * max_offset + np.where(forward, 1, -1) * travel * progress


def render(pictures: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Draws each picture on a black canvas, once per frame, with bilinear interpolation.

    Args:
      pictures: uint8 [n, s, s].
      states: x, y, angle and logarithm of the scale in each frame, [n, f, 4]; see `move`.

    Returns:
      uint8 [n, f, h, w, 1].
    """
    # With a black border, pixels at the edge of a picture blend into the canvas too.
    pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))
    count, frames = states.shape[:2]
    x, y, angle, log_scale = np.moveaxis(states, -1, 0)[..., None]
    half = SIZE / 2
    x = np.array([-half, -half, half, half]) - x  # of the corners of the canvas: NW, SW, SE, NE
    y = np.array([-half, half, half, -half]) - y
    cosine, sine = (np.cos(angle), np.sin(angle)) * np.exp(-log_scale)
    corners = np.stack([cosine * x + sine * y, cosine * y - sine * x], axis=-1)
    quads = (corners.reshape(count, frames, 8) + pictures.shape[1] / 2).tolist()
    boxes = [(0, top, SIZE, top + SIZE) for top in range(0, frames * SIZE, SIZE)]
    strips = np.empty((count, frames * SIZE, SIZE), np.uint8)
    for strip, picture, corners_of_frames in zip(strips, pictures, quads, strict=True):
        strip[:] = Image.fromarray(picture).transform(
            (SIZE, frames * SIZE),
            Image.Transform.MESH,
            list(zip(boxes, corners_of_frames, strict=True)),
            Image.Resampling.BILINEAR,
        )
    return strips.reshape(count, frames, SIZE, SIZE, 1)


def _uniform(seed: int, rows: int, columns: int) -> np.ndarray:
    """Draws uniform numbers in [0, 1), row by row, from the raw stream of NumPy's Philox generator.

    NumPy promises not to change that stream.
    """
    raw = np.random.Philox(seed).random_raw(rows * columns)
    return (raw >> np.uint64(11)).reshape(rows, columns) * 2.0**-53
