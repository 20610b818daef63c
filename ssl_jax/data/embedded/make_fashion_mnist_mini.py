"""Makes fashion_mnist_mini.npz, byte for byte the same each time.

    python ssl_jax/data/embedded/make_fashion_mnist_mini.py FOLDER_WITH_IDX_GZ

The folder is that of Debian's package `dataset-fashion-mnist`. 1,000 training and 200 test images
of each class are drawn, the test images from the original test set. The original has a few test
images that are also training images; those among the drawn training images are not drawn.
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
    """Draws the images; keys and shapes are those of `read_folder`."""
    trained = balanced(whole["train_labels"], _TRAIN_IMAGES, _SEED)
    seen = {image.tobytes() for image in whole["train_images"][trained]}
    fresh = [row for row, image in enumerate(whole["test_images"]) if image.tobytes() not in seen]
    tested = np.array(fresh)[balanced(whole["test_labels"][fresh], _TEST_IMAGES, _SEED)]
    return {
        "train_images": whole["train_images"][trained],
        "train_labels": whole["train_labels"][trained],
        "test_images": whole["test_images"][tested],
        "test_labels": whole["test_labels"][tested],
    }


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes an .npz file without the time of day in it."""
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
