"""Square tiles of color photographs, for tasks that bring their own labels.

- `photo_tiles_mini` takes the 74 photographs bundled with this package, so it is the same
  everywhere. `photo_tiles` adds those of installed packages to the training photographs; its notes
  say which. Both are tested on the same tiles, of bundled photographs that are not trained on.
- A photograph is scaled down until its shorter side is four tiles long; a smaller one is left as it
  is. Training tiles start at every quarter of a tile, test tiles at every half.
- There are no labels: which photograph a tile is from says little about what it shows.
- `data.holdout` holds out whole photographs, and the two of a stereo pair together.
"""

from collections.abc import Sequence

import numpy as np

from ssl_jax.data import formats, memory, photographs, pixels
from ssl_jax.data.dataset import Dataset, Example
from ssl_jax.data.files import Unreadable, reason
from ssl_jax.data.options import Options
from ssl_jax.data.photographs import Photograph
from ssl_jax.errors import InputError

_SIZE = 32
_TILES_ACROSS = 4
_TRAIN_STEPS, _TEST_STEPS = 4, 2  # per tile


class Tiles:
    """The tiles of photographs: photograph by photograph, then row by row.

    Args:
      images: the photographs, each uint8 [h, w, c].
      size: height and width of a tile in pixels.
      stride: distance from one tile to the next in pixels.

    Attributes:
      corners: photograph, top and left of each tile, int [n, 3].
    """

    def __init__(self, images: Sequence[np.ndarray], size: int, stride: int):
        self.images = images
        self.size = size
        corners = [
            (number, top, left)
            for number, image in enumerate(images)
            for top in range(0, image.shape[0] - size + 1, stride)
            for left in range(0, image.shape[1] - size + 1, stride)
        ]
        self.corners = np.array(corners).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, index: int) -> Example:
        number, top, left = self.corners[index]
        image = self.images[number]
        return {"image": image[top : top + self.size, left : left + self.size]}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the tiles at `indices`, int [m], as a batch `{"image": [m, ...]}`."""
        return {"image": np.stack([self[index]["image"] for index in indices])}


def open_mini(options: Options) -> Dataset:
    """Opens tiles of the bundled photographs, by the rules at the top of this file.

    Raises:
      InputError: `data.image_size` is larger than the photographs.
    """
    return _dataset(options, [], [])


def open_all(options: Options) -> Dataset:
    """Opens tiles of the bundled photographs and of those of installed packages.

    Raises:
      InputError: `data.image_size` is larger than the bundled photographs, or more than
        `max_unreadable` files of other packages cannot be read.
    """
    return _dataset(options, *photographs.installed())


def _dataset(options: Options, installed: list[Photograph], found: list[str]) -> Dataset:
    size, channels = options.image_size or _SIZE, options.channels or 3
    if size > photographs.BUNDLED_SIDE:
        raise InputError(
            f"data.image_size: {size} is larger than the bundled photographs; "
            f"expected at most {photographs.BUNDLED_SIDE}"
        )
    unreadable = Unreadable(options.name, options.max_unreadable)

    def read(photograph: Photograph) -> np.ndarray | None:
        try:
            return pixels.decode_whole(photograph.file(), _TILES_ACROSS * size, channels)
        except Exception as error:  # Pillow's decoders raise exceptions of almost any type
            unreadable.add(photograph.path, reason(error, photograph.path))
            return None

    formats.prepare()
    given = [*photographs.bundled("train"), *installed]
    images = memory.each(read, given, "decoding photographs")
    readable = [pair for pair in zip(given, images, strict=True) if pair[1] is not None]
    kept = [(photo.scene, image) for photo, image in readable if min(image.shape[:2]) >= size]
    train = Tiles([image for _, image in kept], size, max(size // _TRAIN_STEPS, 1))
    test_images = memory.each(read, photographs.bundled("test"), "decoding photographs")
    test = Tiles(test_images, size, size // _TEST_STEPS)

    notes = [
        f"photographs: {len(given) - len(installed) + len(test_images)} bundled "
        f"({photographs.BUNDLED_LICENSE})",
        *found,
        f"tiles: {len(train):,} of {len(kept)} photographs to train on, {len(test):,} of "
        f"{len(test_images)} other photographs to test on; no labels",
    ]
    if too_small := len(readable) - len(kept):
        notes.append(f"photographs: {too_small} smaller than {size} pixels are left out")
    _, scene_of = np.unique([scene for scene, _ in kept], return_inverse=True)
    return Dataset(
        pretrain=train,
        train=train,
        test=test,
        label_names=None,
        facts={"modality": "image", "image_size": size, "channels": channels},
        notes=tuple(notes),
        unreadable=unreadable.reasons,
        origins=scene_of[train.corners[:, 0]],
    )
