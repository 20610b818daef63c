"""Clips of garments in motion, rendered from the pictures inside this package.

In each clip one garment of `fashion_mnist_mini` moves in one of eight ways over a black canvas:
along x, along y, in its angle or in its size, forth or back, speeding up or slowing down a little.
Each pair of garment and motion is equally often there.

A frame alone tells little of the motion. Each of the four quantities has a random path in every
clip; the motion says which one is followed, and the other three stay where their paths are at a
random frame. So place, angle and size of a frame drawn at random are distributed alike for all
motions, and a motion back is a motion forth in reverse: it is the order of frames that tells them
apart, which is what is learned from in Misra et al., "Shuffle and Learn" (ECCV 2016). A frame known
to be the first tells a little, since what moves left starts further to the right: boosted trees on
its true place, angle and size find the motion of 28 % of clips (8,000 training clips, tested on the
other 2,000; chance is 12.5 %).
"""

import math

import numpy as np
from PIL import Image

from ssl_jax.data import memory, statistics
from ssl_jax.data.dataset import Dataset, Example
from ssl_jax.data.fashion_mnist import LABEL_NAMES, read_mini
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

# Of x and y (of the garment's middle, in pixels from the canvas's), the angle (clockwise, in
# radians) and the logarithm of the scale: the middle of the range, half the range, whether its
# ends meet, and the least and the greatest way in a clip.
_CENTER = np.array([0, 0, 0, math.log(0.69)])
_REACH = np.array([9, 9, math.pi, 0.32])
_CIRCULAR = np.array([False, False, True, False])
_LEAST_WAY = np.array([4, 4, math.pi / 4, 0.15])
_GREATEST_WAY = np.array([7, 7, math.pi * 3 / 4, 0.27])
_MOST_BENT = 0.5


class Clips:
    """A clip for each picture: `{"video": uint8 [f, h, w, 1], "label": int32, "motion": int32}`.

    A clip is a function of the seed, its index, its picture and the labels, by which motions are
    dealt evenly. It is rendered when it is first read.

    Args:
      pictures: uint8 [n, 28, 28].
      labels: the class of each garment, integers [n].
      seed: picks the motions and the paths.
      keep: whether clips that were read stay in memory, 12.5 KiB each.
    """

    def __init__(self, pictures: np.ndarray, labels: np.ndarray, seed: int, *, keep: bool = True):
        self.pictures = pictures
        self.labels = labels.astype(np.int32)
        quantities = len(_CENTER)
        draws = _uniform(seed, len(labels), 1 + 4 * quantities)
        self.motions = deal(self.labels, draws[:, 0])
        self.states = move(self.motions, draws[:, 1:].reshape(-1, 4, quantities))
        self._known = np.zeros(len(labels), bool)
        shape = (len(labels), FRAMES, SIZE, SIZE, 1)
        self._videos = np.empty(shape, np.uint8) if keep else None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Example:
        return {name: column[0] for name, column in self.take(np.array([index])).items()}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the clips at `indices`, int [m], as a batch `{name: [m, ...]}`."""
        if self._videos is None:
            videos = self._rendered(indices)
        else:
            missing = indices[~self._known[indices]]
            self._videos[missing] = self._rendered(missing)
            self._known[missing] = True
            videos = self._videos[indices]
        return {"video": videos, "label": self.labels[indices], "motion": self.motions[indices]}

    def _rendered(self, indices: np.ndarray) -> np.ndarray:
        return render(self.pictures[indices], self.states[indices])


def open_moving(options: Options) -> Dataset:
    """Opens 10,000 training and 2,000 test clips, of training and of test pictures.

    Raises:
      InputError: another size or number of channels is asked for than clips have.
    """
    facts = {"modality": "video", "image_size": SIZE, "channels": 1, "frames": FRAMES}
    facts["mean"], facts["std"] = statistics.MOVING_FASHION
    for key in ("image_size", "channels"):
        asked = getattr(options, key)
        if asked not in (None, facts[key]):
            raise InputError(
                f"data.{key}: {asked} is not what clips of {options.name} have; "
                f"expected {facts[key]} or None"
            )
    arrays = read_mini()

    def source(split: str) -> Clips:
        labels = arrays[f"{split}_labels"]
        keep = memory.fits(len(labels) * FRAMES, SIZE, 1, options.cache_mib)
        return Clips(arrays[f"{split}_images"], labels, _SEEDS[split], keep=keep)

    train = source("train")
    return Dataset(
        train, train, source("test"), LABEL_NAMES, facts, further_labels={"motion": MOTIONS}
    )


def deal(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Gives each clip a motion, so that in each class motions differ in number by one at most.

    Args:
      labels: int [n].
      draws: uniform in [0, 1), [n].

    Returns:
      Indices into `MOTIONS`, int32 [n].
    """
    motions = np.empty(len(labels), np.int32)
    motions[np.lexsort((draws, labels))] = np.arange(len(labels)) % len(MOTIONS)
    return motions


def move(motions: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Where the garment of each clip is in each frame.

    A path runs over `way` around a random `middle`, at time u in [0, 1] to
    `middle ± way (u + bend u (1 - u) - 1/2)`, with as much room as keeps it in its range.

    Args:
      motions: indices into `MOTIONS`, int [n].
      draws: uniform in [0, 1), [n, 4, q], of middle, way, bend and the frame to rest at.

    Returns:
      x, y, angle and logarithm of the scale in each frame, [n, f, q].
    """
    middle, way, bend, rest = np.moveaxis(draws, 1, 0)[:, :, None]
    way = _LEAST_WAY + way * (_GREATEST_WAY - _LEAST_WAY)
    room = np.where(_CIRCULAR, _REACH, _REACH - way / 2)
    bend = _MOST_BENT * (2 * bend - 1)
    followed, forth = np.divmod(motions[:, None, None], 2)
    frames = np.arange(FRAMES)[:, None]
    moving = followed == np.arange(len(_CENTER))
    time = np.where(moving, frames, np.floor(rest * FRAMES)) / (FRAMES - 1)
    progress = time + bend * time * (1 - time) - 0.5
    return _CENTER + (2 * middle - 1) * room + np.where(forth, 1, -1) * way * progress


def render(pictures: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Draws each picture once a frame on a black canvas, with bilinear interpolation.

    Args:
      pictures: uint8 [n, s, s].
      states: x, y, angle and logarithm of the scale in each frame, [n, f, 4]; see `move`.

    Returns:
      uint8 [n, f, h, w, 1].
    """
    pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))  # what touches the border fades, too
    count, frames = states.shape[:2]
    x, y, angle, log_scale = np.moveaxis(states, -1, 0)[..., None]
    half = SIZE / 2
    x = np.array([-half, -half, half, half]) - x  # of the canvas's corners NW, SW, SE and NE
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
    """Uniform draws in [0, 1), row by row from the raw stream, which NumPy promises to keep."""
    raw = np.random.Philox(seed).random_raw(rows * columns)
    return (raw >> np.uint64(11)).reshape(rows, columns) * 2.0**-53
