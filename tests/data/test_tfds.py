"""TFDS without TensorFlow: on files prepared here, and on mocked catalog entries."""

import io
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ssl_jax import data
from ssl_jax.data.dataset import labels_of
from ssl_jax.errors import InputError


def png(value, size, mode="RGB"):
    file = io.BytesIO()
    Image.fromarray(np.full(size if mode == "L" else (*size, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


class Pictures(tfds.core.GeneratorBasedBuilder):
    """Ten training and five validation images with labels, of several sizes."""

    VERSION = tfds.core.Version("1.0.0")
    __module__ = "pictures"

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {"train": self._generate_examples(10), "validation": self._generate_examples(5)}

    def _generate_examples(self, count):
        for number in range(count):
            picture = png(number, (24 + number, 40))
            yield number, {"image": io.BytesIO(picture), "label": number % 2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tfds"))
    Pictures(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])
def test_files_on_disk_are_read(prepared, cache_mib):
    config = {"name": "tfds:pictures", "data_dir": prepared}
    dataset = data.load({**config, "cache_mib": cache_mib})
    assert (len(dataset.train), len(dataset.test)) == (10, 5)
    assert dataset.label_names == ("a", "b")
    assert dataset.facts["image_size"] == 28
    assert dataset.facts["channels"] == 3
    batch = next(data.batches(dataset.train, 4, seed=0))
    assert batch["image"].shape == (4, 28, 28, 3)
    assert batch["label"].dtype == np.int32
    assert (batch["image"][:, 0, 0, 0] % 2 == batch["label"]).all()
    assert sorted(labels_of(dataset.train).tolist()) == [0] * 5 + [1] * 5
    assert "tensorflow" not in sys.modules


def mocked(**splits):
    """Mocks the splits of each catalog entry: name=count."""

    def records(count, size, mode):
        return [{"image": png(row, size, mode), "label": row % 10} for row in range(count)]

    def data_source(builder, **_):
        height, width, channels = builder.info.features["image"].shape
        size, mode = (height or 250, width or 300), "L" if channels == 1 else "RGB"
        return {split: records(count, size, mode) for split, count in splits.items()}

    return tfds.testing.mock_data(as_data_source_fn=data_source)


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("tfds:cifar10", 32, 3),
        ("tfds:cifar100", 32, 3),
        ("tfds:stl10", 96, 3),
        ("imagenet", 224, 3),
        ("tfds:mnist", 28, 1),
        ("tfds:caltech101", 64, 3),
    ],
)
def test_known_names_are_loaded(name, size, channels, tmp_path):
    with mocked(train=20, test=10, validation=10):
        dataset = data.load({"name": name, "data_dir": str(tmp_path)})
    assert dataset.facts["image_size"] == size
    assert dataset.facts["channels"] == channels
    assert dataset.train[3]["image"].shape == (size, size, channels)
    assert int(dataset.train[3]["label"]) == 3


def test_known_statistics_are_used_if_the_channels_agree(tmp_path):
    config = {"name": "tfds:cifar10", "data_dir": str(tmp_path)}
    with mocked(train=20, test=10):
        assert data.load(config).facts["mean"] == (0.4914, 0.4822, 0.4465)
        gray = data.load({**config, "channels": 1})
    assert gray.facts["mean"] == pytest.approx((9.5 / 255,))


def test_stl10_pretrains_on_its_unlabeled_split(tmp_path):
    with mocked(train=20, test=10, unlabelled=30):
        dataset = data.load({"name": "tfds:stl10", "data_dir": str(tmp_path)})
    assert (len(dataset.pretrain), len(dataset.train), len(dataset.test)) == (30, 20, 10)
    assert set(dataset.pretrain[0]) == {"image"}


def test_imagenet_tests_on_validation(tmp_path):
    with mocked(train=4, test=10, validation=6):
        dataset = data.load({"name": "imagenet", "data_dir": str(tmp_path)})
    assert len(dataset.test) == 6


def test_without_a_test_split_every_tenth_image_is_used_for_testing(tmp_path):
    with mocked(train=25):
        dataset = data.load({"name": "tfds:eurosat", "data_dir": str(tmp_path)})
    values = [int(dataset.test[row]["image"][0, 0, 0]) for row in range(len(dataset.test))]
    assert values == [0, 10, 20]
    assert len(dataset.train) == 22
    assert labels_of(dataset.train).tolist() == [row % 10 for row in range(25) if row % 10]


def test_fashion_mnist_falls_back_to_tfds(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_jax.data.fashion_mnist.DEBIAN_FOLDER", tmp_path / "none")
    with mocked(train=20, test=10):
        dataset = data.load({"name": "fashion_mnist", "data_dir": str(tmp_path)})
    assert len(dataset.train) == 20
    assert dataset.facts["mean"] == (0.2860,)


def refusal(name, tmp_path):
    with pytest.raises(InputError) as caught:
        data.load({"name": name, "data_dir": str(tmp_path)})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_names_are_refused(tmp_path):
    assert "data.name: 'tfds:no_such_data' is not known" in refusal("tfds:no_such_data", tmp_path)
    assert "data.name: 'tfds:' " in refusal("tfds:", tmp_path)
    assert "'tfds:cifar10:9.9.9'" in refusal("tfds:cifar10:9.9.9", tmp_path)


def test_data_without_images_is_refused(tmp_path):
    message = refusal("tfds:ag_news_subset", tmp_path)
    assert message.startswith("data.name: 'tfds:ag_news_subset' has no feature 'image'; expected")


def test_data_without_a_training_split_is_refused(tmp_path):
    with mocked(test=3):
        assert "has the splits ['test']; expected 'train'" in refusal("tfds:cifar10", tmp_path)


def test_data_that_cannot_be_prepared_is_refused(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise ConnectionError("no route to host\nand a long story")

    monkeypatch.setattr(tfds, "data_source", no_network)
    message = refusal("tfds:cifar10", tmp_path)
    assert message.startswith(
        "data.name: 'tfds:cifar10' cannot be prepared by TFDS: no route to host; expected the data "
        "in "
    )
    monkeypatch.setattr("ssl_jax.data.fashion_mnist.DEBIAN_FOLDER", tmp_path / "none")
    assert refusal("fashion_mnist", tmp_path).endswith("or install Debian's dataset-fashion-mnist")


def refusal_of_run(config, **given):
    with pytest.raises(InputError) as caught:
        data.load_of_run(config, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_data_dir_of_a_run_s_config_is_not_used(prepared, monkeypatch):
    """TFDS would import the modules that the files there name."""
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: pytest.fail("TFDS was called"))
    for name in ("tfds:pictures", "cifar10", "imagenet", "fashion_mnist_mini"):
        message = refusal_of_run({"name": name, "data_dir": prepared})
        assert message.startswith(
            f"--data_dir: is missing; the run's config.json names {prepared!r}"
        )


@pytest.mark.parametrize(
    "name",
    [
        "evil",
        "",
        "../evil",
        "huggingface:mnist",
        "mnist/..",
        "mnist:..",
        "mnist/a/../b",
        "mnist/config=/evil",
        "mnist:1.0.0/config=/evil",
        "mnist/data_dir=/evil",
        "mnist/no_such_config",
        "mnist\n",
    ],
)
def test_a_run_s_config_may_only_name_data_sets_in_tfds_s_own_catalog(prepared, monkeypatch, name):
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: pytest.fail("TFDS was called"))
    for given in ({}, {"data_dir": prepared}):
        message = refusal_of_run({"name": f"tfds:{name}"}, **given)
        assert message.endswith("in TFDS's catalog; expected one of its names")


def test_a_run_s_data_is_read_from_the_data_dir_of_the_caller(tmp_path):
    config = {"name": "tfds:mnist", "data_dir": "/nowhere"}
    with mocked(train=20, test=10):
        dataset = data.load_of_run(config, data_dir=str(tmp_path))
    assert len(dataset.train) == 20


def test_a_run_s_config_may_name_a_config_and_a_version(tmp_path):
    for name in ("mnist:3.0.1", "emnist/digits", "emnist/digits:3.1.0"):
        with mocked(train=20, test=10):
            config = {"name": f"tfds:{name}"}
            assert len(data.load_of_run(config, data_dir=str(tmp_path)).train) == 20


def test_a_run_s_image_folder_is_read(tmp_path):
    for number in range(4):
        path = tmp_path / ("test" if number > 2 else "train") / "a" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number, (8, 8)))
    assert len(data.load_of_run({"name": f"folder:{tmp_path}"}).train) == 3
