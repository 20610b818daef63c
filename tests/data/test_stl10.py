"""STL-10: on an archive of a few pictures, which are made here byte by byte."""

import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import published, stl10
from ssl_jax.data.arrays import Fitted
from ssl_jax.data.dataset import Arrays, gather, labels_of
from ssl_jax.errors import InputError
from tests.data.test_published import described, pack

COUNTS = {"unlabeled": 30, "train": 20, "test": 10}
NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def value(number, row, column, channel):
    """Returns the pixel of a picture that looks different in each corner and channel."""
    return (7 * number + 5 * row + 3 * column + 80 * channel) % 256


def planes(number):
    row, column, channel = np.arange(96), np.arange(96)[:, None], np.arange(3)[:, None, None]
    return value(number, row, column, channel).astype(np.uint8).tobytes()  # the row runs fastest


def contents():
    """Returns the files of an archive; the pictures are numbered through, in the order above."""
    files, first = {"class_names.txt": "\n".join(NAMES).encode() + b"\n"}, 0
    for split, count in COUNTS.items():
        numbers = range(first, first + count)
        files[f"{split}_X.bin"] = b"".join(map(planes, numbers))
        if split != "unlabeled":
            files[f"{split}_y.bin"] = bytes(1 + number % 10 for number in numbers)
        first += count
    return files


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return pack(folder / "stl10_binary.tar.gz", contents(), "stl10_binary")


@pytest.fixture
def cache(packed, tmp_path, monkeypatch):
    """Puts an archive of a few pictures where the published one is; returns the cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # importing it is an error
    monkeypatch.setattr(stl10, "STL10", described(packed, contents(), stl10.STL10))
    return tmp_path / "ssl_jax/data"


def load(**options):
    return data.load({"name": "stl10", **options})


def numbers(source):
    """Returns the number of each picture, from its first pixel."""
    values = gather(source, np.arange(len(source)))["image"][:, 0, 0, 0]
    return (values.astype(int) * pow(7, -1, 256) % 256).tolist()


def test_pixels_and_labels(cache):
    dataset = load()
    assert sorted(numbers(dataset.pretrain)) == list(range(30))
    assert sorted(numbers(dataset.train)) == list(range(30, 50))
    assert sorted(numbers(dataset.test)) == list(range(50, 60))
    for source in (dataset.pretrain, dataset.train, dataset.test):
        for row, number in enumerate(numbers(source)):
            example = source[row]
            assert example["image"].shape == (96, 96, 3)
            for corner in ((0, 0, 0), (0, 95, 0), (95, 0, 1), (95, 95, 2), (12, 5, 1)):
                assert example["image"][corner] == value(number, *corner)
            if source is not dataset.pretrain:
                assert example["label"] == number % 10
                assert example["label"] == labels_of(source)[row]
    assert set(dataset.pretrain[0]) == {"image"}
    assert example["label"].dtype == np.int32


def test_names_and_facts(cache):
    dataset = load()
    assert dataset.label_names == NAMES
    pixels = gather(dataset.pretrain, np.arange(30))["image"] / 255
    assert dataset.facts == {
        "modality": "image",
        "image_size": 96,
        "channels": 3,
        "mean": pytest.approx(tuple(pixels.mean((0, 1, 2)))),
        "std": pytest.approx(tuple(pixels.std((0, 1, 2)))),
    }


def test_the_archive_is_that_of_tfds():
    import tensorflow_datasets as tfds

    info = tfds.builder_cls("stl10").url_infos[stl10.STL10.url]
    assert (info.size, info.checksum) == (stl10.STL10.size, stl10.STL10.sha256)


def test_images_come_in_the_order_of_tfds(cache):
    dataset = load()
    for split, first in (("unlabelled", 0), ("train", 30), ("test", 50)):
        source = dataset.pretrain if split == "unlabelled" else getattr(dataset, split)
        order = published.in_order_of_tfds(range(len(source)), split).indices
        assert numbers(source) == (first + order).tolist()


def test_batches_are_laid_out_for_devices(cache):
    batch = next(data.batches(load().pretrain, 4, seed=0))
    assert batch["image"].flags.c_contiguous
    assert batch["image"].shape == (4, 96, 96, 3)


def test_pictures_stay_in_their_file(cache):
    dataset = load(cache_mib=0)
    base = dataset.pretrain.source.columns["image"]
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.filename == cache / "stl10_binary/unlabeled_X.bin"


def test_files_of_the_published_size_take_no_memory(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    (folder / "class_names.txt").write_text("\n".join(NAMES))
    for name, size in stl10.STL10.files.items():
        with (folder / name).open("wb") as file:
            file.truncate(size)  # of holes, which take no space on the disk
    for split, count in (("train", 5_000), ("test", 8_000)):
        (folder / f"{split}_y.bin").write_bytes(bytes(1 + row % 10 for row in range(count)))
    known = {"mean": (0.5,) * 3, "std": (0.5,) * 3}  # measuring reads 2,000 pictures
    tracemalloc.start()
    dataset = load(data_dir=str(tmp_path), **known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(dataset.pretrain), len(dataset.train), len(dataset.test)) == (100_000, 5_000, 8_000)
    assert np.bincount(labels_of(dataset.test)).tolist() == [800] * 10
    assert peak < 2**26  # 64 MiB; the pictures are 2,900 MiB


@pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])
def test_other_sizes_and_gray(cache, cache_mib):
    dataset, whole = load(image_size=24, channels=1, cache_mib=cache_mib), load()
    for part in ("pretrain", "train"):
        small, large = getattr(dataset, part), getattr(whole, part)
        picture = Image.fromarray(np.ascontiguousarray(large[3]["image"]))
        expected = picture.resize((24, 24), Image.Resampling.BILINEAR).convert("L")
        assert small[3]["image"].shape == (24, 24, 1)
        np.testing.assert_allclose(small[3]["image"][..., 0], np.asarray(expected), atol=1)
        assert isinstance(small.source, Fitted if cache_mib == 0 else Arrays)
    assert labels_of(dataset.train).tolist() == labels_of(whole.train).tolist()


def test_whole_pictures_for_crops(cache):
    dataset = load(stored_size=110, center_crop=0.875)
    assert dataset.pretrain[0]["image"].shape == (110, 110, 3)
    assert dataset.pretrain[0]["aspect"] == 1
    assert dataset.test[0]["image"].shape == (96, 96, 3)


def test_holding_out_leaves_the_unlabeled_pictures_alone(cache):
    dataset = load(holdout=10)
    assert sorted(numbers(dataset.pretrain)) == list(range(30))
    assert sorted(numbers(dataset.train) + numbers(dataset.test)) == list(range(30, 50))
    assert np.bincount(labels_of(dataset.test)).tolist() == [1] * 10


def test_labels_that_do_not_count_from_1_are_refused(cache):
    load()
    path = cache / "stl10_binary/train_y.bin"
    path.write_bytes(bytes(range(20)))
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value) == f"{path}: holds the label 0; expected 1 to 10"
