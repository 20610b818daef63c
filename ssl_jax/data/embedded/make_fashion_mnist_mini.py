"""Writes fashion_mnist_mini.npz; the result is the same each time, byte for byte.

    python ssl_jax/data/embedded/make_fashion_mnist_mini.py FOLDER_WITH_IDX_GZ

Pass the folder of Debian's package `dataset-fashion-mnist`. The script draws 1,000 training and 200
test images per class; the test images come from the original test set. A few of the original test
images are also training images. A test image is not drawn if it is among the drawn training images.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from ssl_jax.data.fashion_mnist import read_folder
from ssl_jax.data.holdout import balanced

_TRAIN_IMAGES = 10_000
_TEST_IMAGES = 2_000
_SEED = 2017


def select(whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws the images; takes and returns arrays named as by `read_folder`."""
    train_rows = balanced(whole["train_labels"], _TRAIN_IMAGES, _SEED)
    drawn = {image.tobytes() for image in whole["train_images"][train_rows]}
    allowed = [
        row for row, image in enumerate(whole["test_images"]) if image.tobytes() not in drawn
    ]
    test_rows = np.array(allowed)[balanced(whole["test_labels"][allowed], _TEST_IMAGES, _SEED)]
    return {
        "train_images": whole["train_images"][train_rows],
        "train_labels": whole["train_labels"][train_rows],
        "test_images": whole["test_images"][test_rows],
        "test_labels": whole["test_labels"][test_rows],
    }


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes an .npz file that does not contain the current time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue(), compresslevel=9)


if __name__ == "__main__":
    write(
        Path(__file__).with_name("fashion_mnist_mini.npz"), select(read_folder(Path(sys.argv[1])))
    )
