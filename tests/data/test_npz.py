"""Arrays in .npz files: names, channels, depth, splits, reading in place."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from ssl_jax import data
from ssl_jax.data.contents import changes
from ssl_jax.data.dataset import gather
from ssl_jax.data.mapped import open_arrays
from ssl_jax.errors import InputError

RANDOM = np.random.default_rng(0)


def images(count=20, size=8, channels=3, dtype=np.uint8, top=255):
    return (RANDOM.random((count, size, size, channels)) * top).astype(dtype)


def saved(tmp_path, compressed=False, **arrays):
    path = tmp_path / "data.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def load(path, **options):
    return data.load({"name": f"npz:{path}", **options})


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def everything(source):
    return gather(source, np.arange(len(source)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("cache_mib", [0, 2048])
@pytest.mark.parametrize("channels", [1, 2, 3, 13])
def test_images_of_any_channel_count_come_back_as_they_are(
    tmp_path, compressed, cache_mib, channels
):
    x, y = images(channels=channels), np.arange(20) % 3
    t, u = images(6, channels=channels), np.arange(6) % 3
    arrays = {"images": x, "labels": y, "test_images": t, "test_labels": u}
    limit = {"cache_mib": cache_mib} if not compressed else {}
    dataset = load(saved(tmp_path, compressed, **arrays), **limit)
    np.testing.assert_array_equal(everything(dataset.train)["image"], x)
    np.testing.assert_array_equal(everything(dataset.test)["image"], t)
    np.testing.assert_array_equal(everything(dataset.train)["label"], y)
    np.testing.assert_array_equal(everything(dataset.test)["label"], u)
    assert dataset.label_names == ("0", "1", "2")
    assert (dataset.facts["image_size"], dataset.facts["channels"]) == (8, channels)
    assert len(dataset.facts["mean"]) == len(dataset.facts["std"]) == channels
    np.testing.assert_allclose(dataset.facts["mean"], x.mean((0, 1, 2)) / 255, atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ("images", "labels", "test_images", "test_labels"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_test", "y_test"),
    ],
)
def test_names_of_other_libraries_are_read(tmp_path, names):
    columns = (images(), np.arange(20)[:, None] % 2, images(4), np.arange(4)[:, None] % 2)
    path = saved(tmp_path, **dict(zip(names, columns, strict=True)), val_images=images(3))
    dataset = load(path)
    assert (len(dataset.train), len(dataset.test)) == (20, 4)
    assert "ignored arrays: val_images" in dataset.notes


def test_labels_may_be_strings_and_any_integers(tmp_path):
    path = saved(tmp_path, images=images(4), labels=np.array(["dog", "cat", "dog", "emu"]))
    dataset = load(path)
    assert dataset.label_names == ("cat", "dog", "emu")
    path = saved(tmp_path, images=images(11), labels=np.array([7, 2**62] * 5 + [7]))
    dataset = load(path)
    assert dataset.label_names == ("7", str(2**62))


def test_without_test_images_every_tenth_image_is_held_out(tmp_path):
    x = images()
    dataset = load(saved(tmp_path, images=x))
    np.testing.assert_array_equal(everything(dataset.test)["image"], x[::10])
    assert (len(dataset.train), dataset.label_names) == (18, None)
    assert "every tenth training image is used for testing" in dataset.notes


def test_test_images_without_labels_are_not_used_if_training_images_have_labels(tmp_path):
    path = saved(tmp_path, images=images(), labels=np.arange(20) % 2, test_images=images(5))
    dataset = load(path)
    assert (len(dataset.train), len(dataset.test)) == (18, 2)
    assert "the test images are not used: they have no labels" in dataset.notes


def test_gray_images_without_an_axis_of_channels(tmp_path):
    x = images(channels=1)
    dataset = load(saved(tmp_path, images=x[..., 0]))
    np.testing.assert_array_equal(everything(dataset.train)["image"], x[np.arange(20) % 10 != 0])


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 4095), (np.int32, 9e5), (np.float32, 1.2)])
@pytest.mark.parametrize("cache_mib", [0, 2048])
def test_deep_gray_and_color_images_are_scaled_by_one_range(tmp_path, dtype, top, cache_mib):
    x = images(dtype=dtype, top=top)
    dataset = load(saved(tmp_path, images=x), cache_mib=cache_mib)
    low, high = x.min(), x.max()
    assert dataset.facts["value_range"] == (pytest.approx(low), pytest.approx(high))
    exact = np.round((x.astype(np.float64) - low) / (high - low) * 255)
    np.testing.assert_allclose(everything(dataset.test)["image"], exact[::10], atol=1)
    assert len(np.unique(everything(dataset.train)["image"])) > 200
    assert "(data.value_range)" in dataset.notes[1]


def test_bands_of_a_sensor_are_scaled_one_by_one(tmp_path):
    tops = np.array([200.0, 10000.0, 0.5, 7.0])
    x = images(channels=4, dtype=np.float64, top=1) * tops - 1
    x[3, 2, 2, 1], x[4, 0, 0, 0] = np.nan, np.inf
    path = saved(tmp_path, images=x)
    dataset = load(path)
    pairs = np.reshape(dataset.facts["value_range"], (4, 2))
    finite = np.where(np.isfinite(x), x, np.nan)
    np.testing.assert_allclose(pairs[:, 0], np.nanmin(finite, (0, 1, 2)))
    np.testing.assert_allclose(pairs[:, 1], np.nanmax(finite, (0, 1, 2)))
    found = everything(dataset.train)["image"].reshape(-1, 4)
    assert all(len(np.unique(band)) > 200 for band in found.T)
    again = load(path, **dataset.facts)
    assert again.facts == dataset.facts
    given = load(path, value_range=(-1, 10001))
    assert len(np.unique(everything(given.train)["image"][..., 2])) == 1


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("stored", [None, 12])
def test_images_are_resized_channel_by_channel(tmp_path, channels, stored):
    x = images(size=16, channels=channels)
    options = {} if stored is None else {"stored_size": stored}
    dataset = load(saved(tmp_path, images=x), image_size=8, **options)
    assert dataset.test[0]["image"].shape == (8, 8, channels)
    planes = [
        load(saved(tmp_path, images=x[..., c]), image_size=8, **options).test[0]["image"][..., 0]
        for c in range(channels)
    ]
    np.testing.assert_array_equal(dataset.test[0]["image"], np.stack(planes, -1))


def test_gray_and_color_become_each_other_and_nothing_else(tmp_path):
    assert (
        load(saved(tmp_path, images=images(channels=1)), channels=3).train[0]["image"].shape[-1]
        == 3
    )
    assert load(saved(tmp_path, images=images()), channels=1).train[0]["image"].shape[-1] == 1
    assert "data.channels: 3" in refusal(saved(tmp_path, images=images(channels=5)), channels=3)
    assert "expected 3" in refusal(saved(tmp_path, images=images()), channels=5)
    message = "data.channels: 5 in fashion_mnist_mini; expected 1 or 3, or arrays in npz:/path"
    with pytest.raises(InputError, match=message):
        data.load({"name": "fashion_mnist_mini", "channels": 5})


def test_uncompressed_arrays_are_read_in_place(tmp_path):
    """A file of 64 MiB; opening it and reading some images takes next to no memory."""
    path = saved(tmp_path, images=np.zeros((1000, 64, 64, 16), np.uint8))
    tracemalloc.start()
    dataset = load(path, cache_mib=1, mean=(0,) * 16, std=(1,) * 16)
    dataset.train.take(np.arange(0, 900, 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_a_large_compressed_file_is_refused_before_it_is_unpacked(tmp_path):
    path = saved(tmp_path, True, images=np.zeros((1000, 64, 64, 16), np.uint8))
    tracemalloc.start()
    message = refusal(path, cache_mib=50)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()
    assert "is compressed and takes 63 MiB; expected at most data.cache_mib 50" in message
    assert "np.savez" in message


def test_fortran_order_and_other_byte_orders(tmp_path):
    x = images(dtype=">u2", top=1000)
    first = everything(load(saved(tmp_path, images=x)).train)
    second = everything(load(saved(tmp_path, images=np.asfortranarray(x.astype("<u2")))).train)
    np.testing.assert_array_equal(first["image"], second["image"])


def test_arrays_of_python_objects_are_refused(tmp_path):
    for compressed in (False, True):
        path = saved(tmp_path, compressed, images=np.array([{"a": 1}], object))
        assert "cannot be read" in refusal(path)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"pictures": images()}, "has the arrays ['pictures']; expected one of images"),
        ({"images": images()[0, 0]}, "expected numbers [n, h, w, c]"),
        ({"images": images() > 3}, "images is bool"),
        ({"images": images()[:0]}, "expected numbers [n, h, w, c]"),
        ({"images": images(), "labels": np.arange(3)}, "expected 20 integers"),
        ({"images": images(), "labels": np.zeros((20, 14), int)}, "expected 20 integers"),
        ({"images": images(), "labels": -np.ones(20, int)}, "expected 20 integers"),
        ({"images": images(), "test_images": images(4, 9)}, "the test images are uint8 (9, 9, 3)"),
        ({"images": images(dtype=np.float32) * np.nan}, "holds no finite image"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, expected):
    assert expected in refusal(saved(tmp_path, **arrays))


def test_damaged_files_are_refused(tmp_path):
    path = saved(tmp_path, images=images())
    whole = path.read_bytes()
    for damaged in (b"", b"junk", whole[:200], whole[:-30]):
        path.write_bytes(damaged)
        assert "cannot be read" in refusal(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 8, 8, 3)}
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", b"\x93NUMPY\x01\x00" + header.getvalue()[8:] + bytes(100))
    assert "cannot be read" in refusal(path)
    assert "is not a file" in refusal(tmp_path / "none.npz")


def test_contents_tell_whether_arrays_changed(tmp_path):
    x = images()
    before = open_arrays(saved(tmp_path, images=x), 0).contents.encoded()
    assert changes(before, open_arrays(saved(tmp_path, images=x.copy()), 0).contents) == ""
    x[3, 0, 0, 0] ^= 1
    found = changes(before, open_arrays(saved(tmp_path, images=x), 0).contents)
    assert found == "1 arrays changed (such as images)"
