"""Loading by name: settings, holdout, the bundled data, and arrays of the user's own."""

import gzip
import hashlib
import struct
import subprocess
import sys
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from ssl_jax import data
from ssl_jax.data import fashion_mnist, idx, statistics
from ssl_jax.data.arrays import fit_images
from ssl_jax.data.dataset import Arrays, Chain, Dataset, labels_of
from ssl_jax.data.embedded import make_fashion_mnist_mini
from ssl_jax.data.holdout import balanced, hold_out
from ssl_jax.errors import InputError

MINI = {"name": "fashion_mnist_mini"}
SHA256 = {
    "train_images": "3d7bd6f1bbc9732a2d01bceb15898754d8bc03ef05b6acb39c1aa0352657ae3f",
    "train_labels": "d3139e059975103b5e8cfb8b12e1f04e97bd8a63d968f06ff3ab6f9499a65299",
    "test_images": "3bde3d432f643aa9ec9b264a362df734b03b0161def56a12d44f4ecbccbbdb1e",
    "test_labels": "e667ab15a4d7898425d4a0a1fbfe1d8771cc3c28e35a34269c1a28a4726cf9e4",
}


def one_line(call, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def mini():
    return data.load(ConfigDict(MINI))


def test_bundled_data_has_not_changed(mini):
    assert (len(mini.train), len(mini.test)) == (10_000, 2_000)
    assert mini.pretrain is mini.train
    for source, per_class in ((mini.train, 1000), (mini.test, 200)):
        assert np.bincount(source.labels).tolist() == [per_class] * 10
    arrays = {
        "train_images": mini.train.columns["image"],
        "train_labels": mini.train.labels,
        "test_images": mini.test.columns["image"],
        "test_labels": mini.test.labels,
    }
    assert {
        name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()
    } == SHA256


def test_no_bundled_test_image_is_a_training_image(mini):
    training_images = {image.tobytes() for image in mini.train.columns["image"]}
    assert not any(image.tobytes() in training_images for image in mini.test.columns["image"])


def test_facts_of_the_bundled_data(mini):
    shape = {"modality": "image", "image_size": 28, "channels": 1}
    assert mini.facts == {**shape, "mean": (0.2860,), "std": (0.3530,)}
    assert mini.label_names[9] == "Ankle boot"
    assert set(mini.train[0]) == {"image", "label"}
    assert mini.train[0]["image"].shape == (28, 28, 1)
    measured = statistics.measure(mini.train, 10_000)
    np.testing.assert_allclose(measured, statistics.FASHION_MNIST, atol=2e-3)


def test_bundled_archive_does_not_contain_the_current_time(tmp_path):
    make_fashion_mnist_mini.write(tmp_path / "one.npz", {"x": np.arange(5, dtype=np.uint8)})
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
    assert np.load(tmp_path / "one.npz", allow_pickle=False)["x"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cache_mib", [2048, 1], ids=["memory", "lazy"])
def test_bundled_data_in_another_shape(cache_mib):
    dataset = data.load({**MINI, "image_size": 8, "channels": 3, "cache_mib": cache_mib})
    assert dataset.train[5]["image"].shape == (8, 8, 3)
    assert labels_of(dataset.train).shape == (10_000,)
    assert len(dataset.facts["mean"]) == 3
    assert isinstance(dataset.train, Arrays) == (cache_mib == 2048)


def test_statistics_in_the_config_are_kept():
    dataset = data.load({**MINI, "mean": (0.5,), "std": [0.25]})
    assert dataset.facts["mean"] == (0.5,)
    assert dataset.facts["std"] == (0.25,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "cifar11"},
            "data.name: 'cifar11' is unknown; expected one of fashion_mnist_mini, ",
        ),
        (
            {"name": "cifar11"},
            "hf:OWNER/NAME, folder:/path, wds:/path, npz:/path or text:/path",
        ),
        ({"name": None}, "data.name: is missing; expected a string that is not empty"),
        ({"name": 3}, "data.name: 3; expected a string that is not empty"),
        (
            {"image_size": 0},
            "data.image_size: 0; expected a whole number from 4 to 4096",
        ),
        ({"image_size": 10**6}, "data.image_size: 1000000"),
        ({"image_size": "big"}, "data.image_size: 'big'"),
        (
            {"vocabulary": 256},
            "data.vocabulary: 256; expected a whole number from 257 to 1048576",
        ),
        ({"tokens": 1}, "data.tokens: 1; expected a whole number from 2 to 65536"),
        ({"channels": 4}, "data.channels: 4 in fashion_mnist_mini; expected 1 or 3, or arrays"),
        ({"channels": True}, "data.channels: True"),
        ({"mean": (0.1, 0.2, 0.3)}, "data.mean: (0.1, 0.2, 0.3) has 3 numbers; expected 1"),
        ({"std": (0.0,)}, "data.std: (0.0,); expected one number above 0 per channel"),
        ({"std": (float("nan"),)}, "data.std: (nan,)"),
        ({"mean": 0.5}, "data.mean: 0.5; expected one number per channel"),
        (
            {"holdout": 10_000},
            "data.holdout: 10000 leaves no training image; expected less than 10000",
        ),
        ({"holdout": -1}, "data.holdout: -1"),
        ({"cache_mib": -1}, "data.cache_mib: -1"),
        ({"max_unreadable": "x"}, "data.max_unreadable: 'x'"),
        ({"data_dir": 3}, "data.data_dir: 3; expected a string that is not empty"),
    ],
)
def test_bad_settings_are_refused(change, message):
    assert message in one_line(data.load, {**MINI, **change})


def test_holdout_is_balanced_and_disjoint(mini):
    dataset = data.load({**MINI, "holdout": 2000})
    assert np.bincount(dataset.test.labels).tolist() == [200] * 10
    assert np.bincount(dataset.train.labels).tolist() == [800] * 10
    assert dataset.pretrain is dataset.train
    indices = [*dataset.train.indices, *dataset.test.indices]
    assert sorted(indices) == list(range(10_000))
    again = data.load({**MINI, "holdout": 2000})
    assert again.test.indices.tolist() == dataset.test.indices.tolist()
    assert np.array_equal(dataset.test[7]["image"], mini.train[dataset.test.indices[7]]["image"])


def test_holdout_leaves_separate_pretraining_data_alone():
    labeled = Arrays({"image": np.zeros((6, 2, 2, 1), np.uint8), "label": np.arange(6) % 2})
    pretrain = Arrays({"image": np.ones((9, 2, 2, 1), np.uint8)})
    dataset = hold_out(Dataset(pretrain, labeled, labeled, ("a", "b"), {}), 2)
    assert dataset.pretrain is pretrain
    assert (len(dataset.train), len(dataset.test)) == (4, 2)


def test_holdout_of_a_folder_with_unlabeled_images(tmp_path):
    from tests.data.test_folder import load, put, values

    for number in range(12):
        put(tmp_path, f"train/{'ab'[number % 2]}/{number}.png", number)
    put(tmp_path, "train/loose.png", 99)
    put(tmp_path, "test/a/x.png", 50)
    put(tmp_path, "test/b/x.png", 51)
    dataset = load(tmp_path, holdout=4)
    assert sorted(values(dataset.pretrain)) == sorted([*values(dataset.train), 99])
    assert not set(values(dataset.pretrain)) & set(values(dataset.test))
    assert len(dataset.test) == 4


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("with_labels", [False, True])
def test_holdout_draws_whole_originals(count, with_labels):
    origins = np.array([7, 7, 7, 2, 2, 9, 9, 9, 9, 4, 5, 5])
    columns = {"image": np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)}
    if with_labels:
        columns["label"] = np.arange(12, dtype=np.int32) % 2
    train, unlabeled = Arrays(columns), Arrays({"image": np.full((1, 1, 1, 1), 99, np.uint8)})
    whole = Dataset(Chain(unlabeled, train), train, train, None, {}, origins=origins)
    dataset = hold_out(whole, count)
    assert len(dataset.test) == count
    held_out, left = dataset.test.indices, dataset.train.indices
    assert not set(origins[held_out]) & set(origins[left])
    np.testing.assert_array_equal(left, np.flatnonzero(np.isin(origins, origins[left])))
    assert 0 <= 12 - len(left) - count < 4  # the largest original has four images
    assert len(dataset.pretrain) == 1 + len(left)
    assert dataset.origins is None


@pytest.mark.parametrize(("count", "per_class"), [(6, [2, 2, 2]), (7, [3, 2, 2]), (10, [4, 4, 2])])
def test_draws_are_balanced(count, per_class):
    labels = np.repeat([0, 1, 2], [20, 20, 2])
    drawn = balanced(labels, count, seed=1)
    assert len(set(drawn.tolist())) == count
    assert np.bincount(labels[drawn]).tolist() == per_class


def test_from_arrays():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 8, 8), np.uint8)
    dataset = data.from_arrays(
        images, np.arange(30) % 3, test_images=images[:5], test_labels=np.zeros(5, np.int64)
    )
    assert dataset.train[2]["image"].shape == (8, 8, 1)
    assert dataset.train[2]["label"].dtype == np.int32
    assert dataset.label_names == ("0", "1", "2")
    assert dataset.facts["mean"] == pytest.approx((images.mean() / 255,))
    assert dataset.facts["std"] == pytest.approx((images.std() / 255,))
    unlabeled = data.from_arrays(images, test_images=images)
    assert unlabeled.label_names is None
    assert set(unlabeled.train[0]) == {"image"}


IMAGES = np.zeros((4, 8, 8, 3), np.uint8)
LABELS = np.arange(4)


@pytest.mark.parametrize(
    ("images", "labels", "rest", "message"),
    [
        (IMAGES.astype(float), None, {}, "images: type float64 is not supported; expected uint8"),
        (IMAGES[:, :6], None, {}, "images: shape (4, 6, 8, 3) is not square"),
        (IMAGES[:0], None, {}, "images: shape (0, 8, 8, 3) is not supported"),
        (IMAGES[:, :6, :6], None, {}, "test_images: shape (8, 8, 3) differs"),
        (IMAGES, LABELS, {}, "test_labels: None but the other split has labels"),
        (IMAGES, None, {"test_labels": LABELS}, "labels: None but the other split"),
        (
            IMAGES,
            LABELS[:3],
            {"test_labels": LABELS},
            "labels: int64 (3,) is not valid; expected 4",
        ),
        (IMAGES, LABELS - 1, {"test_labels": LABELS}, "labels: int64 (4,) is not valid"),
        (IMAGES, LABELS, {"test_labels": LABELS / 2}, "test_labels: float64 (4,) is not valid"),
        (IMAGES, LABELS, {"test_labels": LABELS, "label_names": ("a",)}, "label_names: 1 names"),
        (IMAGES, None, {"label_names": ("a",)}, "label_names: given without labels"),
    ],
)
def test_from_arrays_refuses_arrays_that_do_not_agree(images, labels, rest, message):
    assert message in one_line(data.from_arrays, images, labels, test_images=IMAGES, **rest)


@pytest.mark.parametrize("step", [1, 7, 999_999_999, 2**31, 2**62 - 1])
def test_label_ids_may_be_any_numbers(step):
    images, ids = np.zeros((6, 8, 8), np.uint8), np.arange(6) % 3 * step
    loaded = data.from_arrays(images, ids, test_images=images[:2], test_labels=ids[1:3])
    assert loaded.label_names == ("0", str(step), str(2 * step))
    assert loaded.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert loaded.test.labels.tolist() == [1, 2]
    assert loaded.train.labels.dtype == np.int32


def test_label_names_belong_to_the_numbers_themselves():
    images, ids = np.zeros((4, 8, 8), np.uint8), np.array([3, 1, 3, 1], np.uint64)
    names = ("a", "b", "c", "d", "e")
    loaded = data.from_arrays(images, ids, test_images=images, test_labels=ids, label_names=names)
    assert loaded.label_names == names
    assert loaded.train.labels.tolist() == [3, 1, 3, 1]


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (8, 3), (4, 3)])
def test_images_are_brought_to_the_shape_of_a_run(size, channels):
    config = ConfigDict({"image_size": size, "channels": channels})
    shapes = [(5, 8, 10, 1), (5, 12, 8, 3), *([(5, 8, 8)] if channels == 1 else [])]
    for shape in shapes:
        images = np.full(shape, 204, np.uint8)
        fitted = fit_images(images, config)
        assert fitted.shape == (5, size, size, channels)
        assert fitted.dtype == np.uint8
        np.testing.assert_allclose(fitted, 204, atol=1)
        np.testing.assert_array_equal(fit_images(np.full(shape, 0.8), config), fitted)


def test_images_of_the_training_shape_are_not_changed():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    config = ConfigDict({"image_size": 8, "channels": 3})
    np.testing.assert_array_equal(fit_images(images, config), images)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_images_out_of_range_are_refused(value):
    config = ConfigDict({"image_size": 8, "channels": 3})
    assert " is out of range; expected 0 to 1" in one_line(
        fit_images, np.full((1, 8, 8, 1), value), config
    )


@pytest.mark.parametrize(
    ("channels", "images", "message"),
    [
        (3, np.zeros((20, 30, 3), np.uint8), "shape (20, 30, 3) could be one image or several"),
        (
            3,
            np.zeros((5, 8, 8), np.uint8),
            "such as images[None] of a single image, or images[..., None] of gray",
        ),
        (1, np.zeros((20, 30, 3), np.uint8), "of a single image, or [n, h, w]"),
        (1, np.zeros((20, 30, 1)), "shape (20, 30, 1) could be one image"),
        (1, np.zeros((20, 30)), "shape (20, 30) could be one image"),
        (3, np.zeros((2, 3, 8, 8), np.uint8), "channels come second here: np.moveaxis(images, 1"),
        (1, np.zeros((2, 1, 8, 8)), "channels come second here: np.moveaxis(images, 1, -1)"),
        (3, np.zeros((2, 8, 8, 4), np.uint8), "drop the fourth channel"),
        (3, np.zeros((0, 8, 8, 3), np.uint8), "(0, 8, 8, 3) is not supported"),
        (1, np.zeros((0, 8, 8)), "there is nothing in it"),
        (3, [], "there is nothing in it"),
        (3, np.zeros((1, 2, 8, 8, 3), np.uint8), "(1, 2, 8, 8, 3) is not supported"),
        (3, np.zeros((2, 8, 8, 3), np.int32), "type int32 is not supported; expected uint8 from 0"),
        (3, jnp.zeros((2, 8, 8, 3), jnp.bfloat16), "type bfloat16 is not supported"),
        (
            3,
            [np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)],
            "2 images of different shapes, such as (8, 8, 3) and (9, 8, 3)",
        ),
    ],
)
def test_images_of_an_unclear_shape_or_type_are_refused(channels, images, message):
    config = ConfigDict({"image_size": 8, "channels": channels})
    assert message in one_line(fit_images, images, config)


def test_a_list_of_images_of_one_shape_is_read():
    config = ConfigDict({"image_size": 8, "channels": 3})
    assert fit_images([np.zeros((9, 12, 3), np.uint8)] * 2, config).shape == (2, 8, 8, 3)


def test_statistics_are_exact_per_channel():
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 3, 3), np.uint8)
    mean, std = statistics.measure(Arrays({"image": images}), images=2500)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)))
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)))


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (7,), (0, 28, 28)])
def test_idx_files_are_read(tmp_path, pack, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    (tmp_path / "x").write_bytes(pack(idx_bytes(array)))
    np.testing.assert_array_equal(idx.read(tmp_path / "x"), array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"junk of some length",
        idx_bytes(np.zeros((3, 4)))[:-1],
        idx_bytes(np.zeros((3, 4))) + b"x",
        b"\0\0\x0d\1\0\0\0\0",
        b"\0\0\x08\0",
        b"\0\0\x08\x03\0\0",
        gzip.compress(idx_bytes(np.zeros((3, 4))), mtime=0)[:-5],
        b"\x1f\x8bjunk",
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert one_line(idx.read, tmp_path / "x").startswith(f"{tmp_path}/x: ")


def test_whole_fashion_mnist_from_idx_files(tmp_path, monkeypatch):
    for prefix, count in (("train", 30), ("t10k", 10)):
        images, labels = np.zeros((count, 28, 28)), np.arange(count) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = tmp_path / f"{prefix}-{name}-ubyte.gz"
            path.write_bytes(gzip.compress(idx_bytes(array)))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path)
    config = {"name": "fashion_mnist"}
    dataset = data.load(config)
    assert (len(dataset.train), len(dataset.test)) == (30, 10)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.zeros(9)))
    assert "test images (10, 28, 28) and labels (9,) do not agree" in one_line(data.load, config)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "t10k-labels-idx1-ubyte.gz: cannot be read" in one_line(data.load, config)


def test_loading_needs_no_other_library_of_data_sets():
    code = (
        "import sys\n"
        "from ssl_jax import data\n"
        "data.load({'name': 'fashion_mnist_mini'})\n"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'datasets'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
