"""CIFAR-10 and CIFAR-100: on archives of a few images, which are made here byte by byte."""

import sys

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import cifar, published
from ssl_jax.data.dataset import gather, labels_of
from ssl_jax.errors import InputError
from tests.data.test_published import described, pack

PER_FILE = 20
NAMES = {
    "cifar10": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
    "cifar100": "".join(f"name_{number}\n" for number in range(100)).encode(),
}
LAYOUTS = {"cifar10": cifar.CIFAR10, "cifar100": cifar.CIFAR100}


def value(number, row, column, channel):
    """Returns the pixel of a picture that looks different in each corner and channel."""
    return (7 * number + 5 * row + 3 * column + 80 * channel) % 256


def record(number, labels):
    content = bytearray(labels)
    for channel in range(3):
        for row in range(32):
            for column in range(32):
                content.append(value(number, row, column, channel))
    return bytes(content)


def label(number, classes):
    return number * 3 % classes


def contents(name):
    """Returns the files of an archive; the pictures are numbered through, the test ones last."""
    layout, classes = LAYOUTS[name], len(NAMES[name].split())
    files = {layout.archive.names: NAMES[name]}
    for position, file in enumerate((*layout.train, layout.test)):
        numbers = range(PER_FILE * position, PER_FILE * (position + 1))
        labels = [[label(number, classes)] for number in numbers]
        if name == "cifar100":
            labels = [[number % 20, *fine] for number, fine in zip(numbers, labels, strict=True)]
        files[file] = b"".join(map(record, numbers, labels))
    return files


@pytest.fixture(params=["cifar10", "cifar100"])
def name(request):
    return request.param


@pytest.fixture
def place(name, tmp_path, monkeypatch):
    """Puts an archive of a few images where the published one is; returns its folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # importing it is an error
    layout, files = LAYOUTS[name], contents(name)
    packed = pack(tmp_path / "site" / layout.archive.file, files, layout.archive.folder)
    tiny = layout._replace(archive=described(packed, files, layout.archive))
    monkeypatch.setattr(cifar, name.upper(), tiny)
    return packed.parent


def numbers(source):
    """Returns the number of each picture, from its first pixel."""
    values = gather(source, np.arange(len(source)))["image"][:, 0, 0, 0]
    return (values.astype(int) * pow(7, -1, 256) % 256).tolist()


def test_pixels_and_labels(name, place):
    dataset = data.load({"name": name})
    trained = PER_FILE * len(LAYOUTS[name].train)
    assert sorted(numbers(dataset.train)) == list(range(trained))
    assert sorted(numbers(dataset.test)) == list(range(trained, trained + PER_FILE))
    assert dataset.pretrain is dataset.train
    for source in (dataset.train, dataset.test):
        for row, number in enumerate(numbers(source)):
            example = source[row]
            for corner in ((0, 0, 0), (0, 31, 0), (31, 0, 1), (31, 31, 2), (12, 5, 1)):
                assert example["image"][corner] == value(number, *corner)
            assert example["label"] == label(number, len(NAMES[name].split()))
            assert example["label"] == labels_of(source)[row]
        assert example["image"].shape == (32, 32, 3)
        assert example["label"].dtype == np.int32


def test_names_and_facts(name, place):
    dataset = data.load({"name": name})
    assert dataset.label_names == tuple(NAMES[name].decode().split())
    mean = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}
    shape = {"modality": "image", "image_size": 32, "channels": 3}
    assert dataset.facts == {**shape, "mean": mean[name], "std": dataset.facts["std"]}
    assert dataset.notes == ()


def test_the_published_files(name):
    """There are 60,000 images; 10,000 of them are for testing."""
    layout, labels = LAYOUTS[name], {"cifar10": 1, "cifar100": 2}[name]
    assert layout.labels == labels
    sizes = layout.archive.files
    assert sum(sizes[file] for file in layout.train) == 50_000 * (labels + 3072)
    assert sizes[layout.test] == 10_000 * (labels + 3072)
    assert sizes.keys() == {*layout.train, layout.test}


def test_the_archive_is_that_of_tfds(name):
    from tensorflow_datasets.core.download.checksums import load_url_infos
    from tensorflow_datasets.core.utils.resource_utils import tfds_path

    archive = LAYOUTS[name].archive
    info = load_url_infos(tfds_path() / f"url_checksums/{name}.txt")[archive.url]
    assert (info.size, info.checksum) == (archive.size, archive.sha256)


def test_images_come_in_the_order_of_tfds(name, place):
    dataset = data.load({"name": name})
    for split, source in (("train", dataset.train), ("test", dataset.test)):
        in_file_order = range(min(numbers(source)), max(numbers(source)) + 1)
        order = published.in_order_of_tfds(in_file_order, split).indices
        assert numbers(source) == [in_file_order[row] for row in order]
        assert numbers(source) != list(in_file_order)


@pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])
def test_other_sizes_and_gray(name, place, cache_mib):
    options = {"image_size": 8, "channels": 1, "cache_mib": cache_mib}
    dataset, whole = data.load({"name": name, **options}), data.load({"name": name})
    for row in (0, 7):
        picture = Image.fromarray(np.asarray(whole.train[row]["image"]))
        expected = picture.resize((8, 8), Image.Resampling.BILINEAR).convert("L")
        small = dataset.train[row]["image"]
        assert small.shape == (8, 8, 1)
        np.testing.assert_allclose(small[..., 0].astype(int), np.asarray(expected), atol=1)
    assert labels_of(dataset.train).tolist() == labels_of(whole.train).tolist()
    assert len(dataset.facts["mean"]) == 1


def test_holding_out_and_keeping_few_labels(name, place):
    dataset = data.load({"name": name, "holdout": 10})
    everything = numbers(dataset.train) + numbers(dataset.test)
    assert sorted(everything) == list(range(PER_FILE * len(LAYOUTS[name].train)))
    assert len(dataset.test) == 10
    assert dataset.pretrain is dataset.train
    few = data.load({"name": name, "labels": 1})
    assert len(set(labels_of(few.train))) == len(few.train)
    assert few.pretrain is not few.train


def test_labels_without_a_name_are_refused(name, place):
    folder = published.find(getattr(cifar, name.upper()).archive, data.catalog.Options(name))
    names = folder / LAYOUTS[name].archive.names
    names.write_bytes(b"\n".join(NAMES[name].split()[:5]))
    with pytest.raises(InputError, match=r"\.bin: holds the label \d+; expected 0 to 4$"):
        data.load({"name": name})


def test_the_data_dir_of_a_run_has_to_be_given_again(name, place):
    config = {"name": name, "data_dir": str(place)}
    assert numbers(data.load_of_run(config, data_dir=str(place)).test)
    with pytest.raises(InputError, match=r"^--data_dir: is missing"):
        data.load_of_run(config)
    assert numbers(data.load_of_run({"name": name}).test)
