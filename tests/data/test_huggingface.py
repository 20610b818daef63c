"""Data sets of Hugging Face's `datasets`: on Parquet and image folders that are written here."""

import io
import logging
import pickle
import zipfile

import dill
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pillow

from ssl_jax import data
from ssl_jax.data import huggingface, rows
from ssl_jax.data.contents import changes
from ssl_jax.data.dataset import Chain, gather, labels_of
from ssl_jax.data.frame import Frame
from ssl_jax.errors import InputError

LABELED = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"])})
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def encoded(value, *, size=(20, 20), mode="RGB", form="PNG"):
    file = io.BytesIO()
    Pillow.new(mode, size, value if mode == "L" else (value,) * 3).save(file, form)
    return file.getvalue()


def in_row(content):
    return {"bytes": content, "path": None}


def pictures(values, **kwargs):
    return [in_row(encoded(value, **kwargs)) for value in values]


def put(root, split, features=LABELED, **columns):
    """Writes a split as Parquet; its schema says what the columns are."""
    file = root / "set" / "data" / f"{split}-00000-of-00001.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    schema = features.arrow_schema if isinstance(features, Features) else features
    pq.write_table(pa.table(columns, schema=schema), file)


def put_labeled(root, split, values, labels=None):
    labels = [value % 2 for value in values] if labels is None else labels
    put(root, split, image=pictures(values), label=labels)


def load(root, name=None, **options):
    name = name or f"hf:{root}/set"
    return data.load({"name": name, "data_dir": str(root / "cache"), "image_size": 8, **options})


def values(source):
    """Returns one pixel per example, which identifies its image, since each has one color."""
    return [int(source[index]["image"][0, 0, 0]) for index in range(len(source))]


def refusal(root, **options):
    with pytest.raises(InputError) as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


lazily = pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])


@lazily
def test_parquet_is_read(tmp_path, cache_mib):
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 256, (10, 30, 22, 3), np.uint8)
    files = []
    for number, array in enumerate(arrays):
        file = io.BytesIO()
        Pillow.fromarray(array).save(file, "JPEG" if number % 2 else "PNG")
        files.append(file.getvalue())
    labels = [number % 2 for number in range(10)]
    put(tmp_path, "train", image=[in_row(file) for file in files[:7]], label=labels[:7])
    put(tmp_path, "test", image=[in_row(file) for file in files[7:]], label=labels[7:])
    dataset = load(tmp_path, cache_mib=cache_mib, image_size=None)
    assert (len(dataset.train), len(dataset.test)) == (7, 3)
    assert dataset.pretrain is dataset.train
    assert dataset.label_names == ("cat", "dog")
    shape = {name: dataset.facts[name] for name in ("modality", "image_size", "channels")}
    assert shape == {"modality": "image", "image_size": 20, "channels": 3}
    read = [*(dataset.train[row] for row in range(7)), *(dataset.test[row] for row in range(3))]
    for example, file, label in zip(read, files, labels, strict=True):
        expected = Frame(20, 3).decode(io.BytesIO(file))["image"]
        np.testing.assert_array_equal(example["image"], expected)
        assert example["label"] == label
    assert labels_of(dataset.train).tolist() == labels[:7]
    assert labels_of(dataset.train).dtype == np.int32
    assert gather(dataset.train, np.array([3, 0]))["label"].tolist() == [1, 0]
    notes = [
        f"{part} images are decoded on every read: they do not fit in data.cache_mib"
        for part in ("training", "test")
    ]
    assert dataset.notes == (() if cache_mib else tuple(notes))
    assert dataset.unreadable == {}

    again = load(tmp_path, cache_mib=cache_mib, **dataset.facts)
    assert again.facts == dataset.facts
    np.testing.assert_array_equal(again.train[5]["image"], dataset.train[5]["image"])


@lazily
def test_without_a_test_split_every_tenth_training_image_is_used(tmp_path, cache_mib):
    put_labeled(tmp_path, "train", range(25))
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert values(dataset.test) == [0, 10, 20]
    assert values(dataset.train) == [value for value in range(25) if value % 10]
    assert labels_of(dataset.train).tolist() == [v % 2 for v in range(25) if v % 10]
    assert dataset.notes[0] == "no test split: every tenth training image is used for testing"


@pytest.mark.parametrize("name", ["test", "validation", "valid", "val"])
def test_names_of_the_test_split(tmp_path, name):
    put_labeled(tmp_path, "train", [1, 2])
    put_labeled(tmp_path, name, [3])
    put_labeled(tmp_path, "other", [4])
    dataset = load(tmp_path)
    assert (values(dataset.train), values(dataset.test)) == ([1, 2], [3])
    assert dataset.notes == ()


def test_test_is_preferred_to_validation(tmp_path):
    for value, split in enumerate(("train", "validation", "test")):
        put_labeled(tmp_path, split, [value])
    assert values(load(tmp_path).test) == [2]


def test_data_without_a_training_split_is_refused(tmp_path):
    put_labeled(tmp_path, "validation", [1, 2])
    message = refusal(tmp_path)
    assert message.endswith("has the splits validation; expected 'train' among them")


def test_one_image_is_too_few_to_train_and_test_on(tmp_path):
    put_labeled(tmp_path, "train", [1])
    assert "too few images to train and test on; expected at least 2, found 1" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["unlabeled", "unlabelled", "unsupervised"])
def test_an_unlabeled_split_is_used_for_pretraining(tmp_path, name):
    put_labeled(tmp_path, "train", [1, 2])
    put_labeled(tmp_path, "test", [3])
    put_labeled(tmp_path, name, [7, 8, 9], [-1, -1, -1])
    dataset = load(tmp_path)
    assert (values(dataset.pretrain), values(dataset.train)) == ([7, 8, 9], [1, 2])
    assert set(dataset.pretrain[0]) == {"image"}


def test_data_without_labels(tmp_path):
    features = Features({"image": Image(), "id": Value("int32"), "score": Value("float32")})
    put(tmp_path, "train", features, image=pictures([1, 2]), id=[3, 4], score=[0.0, 1.0])
    put(tmp_path, "test", features, image=pictures([3]), id=[3], score=[0.0])
    dataset = load(tmp_path)
    assert dataset.label_names is None
    assert set(dataset.train[0]) == set(dataset.test[0]) == {"image"}
    assert dataset.notes == (
        "no labels: no column is a ClassLabel; data.label_column can name one of id",
    )
    assert labels_of(load(tmp_path, label_column="id").train).tolist() == [0, 1]


TWO = Features(
    {
        "left": Image(),
        "fine": ClassLabel(names=["a", "b", "c"]),
        "right": Image(),
        "coarse": ClassLabel(names=["x", "y"]),
        "caption": Value("string"),
    }
)


def put_two(root):
    left, right = pictures([10, 11, 12]), pictures([20, 21, 22])
    columns = {"left": left, "right": right, "fine": [0, 1, 2], "coarse": [1, 1, 0]}
    put(root, "train", TWO, **columns, caption=["?", "!", "?"])
    put(root, "test", TWO, **columns, caption=["?", ".", None])


def test_one_of_several_columns_is_named(tmp_path):
    put_two(tmp_path)
    dataset = load(tmp_path, image_column="right", label_column="coarse")
    assert values(dataset.train) == [20, 21, 22]
    assert labels_of(dataset.train).tolist() == [1, 1, 0]
    assert dataset.label_names == ("x", "y")
    dataset = load(tmp_path, image_column="left", label_column="fine")
    assert (values(dataset.train), dataset.label_names) == ([10, 11, 12], ("a", "b", "c"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"label_column": "fine"},
            "data.image_column: is missing, and 'hf:{}/set' has several columns of images; "
            "expected one of left, right",
        ),
        (
            {"image_column": "left"},
            "data.label_column: is missing, and 'hf:{}/set' has several columns of labels; "
            "expected one of fine, coarse",
        ),
        (
            {"image_column": "middle", "label_column": "fine"},
            "data.image_column: 'middle' is not a column of images in 'hf:{}/set'; expected one of "
            "left, right",
        ),
        (
            {"image_column": "caption", "label_column": "fine"},
            "data.image_column: 'caption' is not a column of images in 'hf:{}/set'; expected one "
            "of left, right",
        ),
        (
            {"image_column": "left", "label_column": "right"},
            "data.label_column: 'right' is not a column of labels in 'hf:{}/set'; expected one of "
            "fine, coarse, caption",
        ),
    ],
)
def test_columns_that_are_not_clear_are_refused_by_name(tmp_path, options, message):
    put_two(tmp_path)
    assert refusal(tmp_path, **options) == message.format(tmp_path)


def test_strings_are_labels_if_they_are_named(tmp_path):
    put_two(tmp_path)
    dataset = load(tmp_path, image_column="left", label_column="caption")
    assert dataset.label_names == ("!", ".", "?")
    assert labels_of(dataset.train).tolist() == [2, 0, 2]
    assert labels_of(dataset.test).tolist() == [2, 1]
    assert "1 test images without a label are left out" in dataset.notes


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16"])
def test_integers_are_labels_if_they_are_named(tmp_path, kind):
    features = Features({"image": Image(), "number": Value(kind)})
    put(tmp_path, "train", features, image=pictures([1, 2, 3]), number=[30, 4, None])
    put(tmp_path, "test", features, image=pictures([5, 6]), number=[100, 4])
    dataset = load(tmp_path, label_column="number")
    assert dataset.label_names == ("4", "30", "100")
    assert labels_of(dataset.train).tolist() == [1, 0]
    assert labels_of(dataset.test).tolist() == [2, 0]
    assert sorted(values(dataset.pretrain)) == [1, 2, 3]


def test_a_test_split_without_labels_is_not_scored(tmp_path):
    put_labeled(tmp_path, "train", [1, 2])
    put_labeled(tmp_path, "test", [3, 4], [-1, -1])
    put_labeled(tmp_path, "validation", [5])
    dataset = load(tmp_path)
    assert values(dataset.test) == [5]
    assert dataset.notes == ("test images have no labels: they are not used",)


def test_every_tenth_image_is_used_if_no_test_split_has_labels(tmp_path):
    put_labeled(tmp_path, "train", range(11))
    put_labeled(tmp_path, "test", [50], [-1])
    put_labeled(tmp_path, "validation", [51], [None])
    dataset = load(tmp_path)
    assert values(dataset.test) == [0, 10]
    assert len(dataset.notes) == 3


@lazily
def test_images_without_a_label_are_not_scored(tmp_path, cache_mib):
    put_labeled(tmp_path, "train", [1, 2, 3, 4], [1, -1, 0, None])
    put_labeled(tmp_path, "test", [5, 6, 7], [-1, 1, 0])
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert (values(dataset.train), values(dataset.test)) == ([1, 3], [6, 7])
    assert (labels_of(dataset.train).tolist(), labels_of(dataset.test).tolist()) == ([1, 0], [1, 0])
    assert values(dataset.pretrain) == [2, 4, 1, 3]
    assert dataset.notes[:2] == (
        "2 images without a label are used for pretraining only",
        "1 test images without a label are left out",
    )
    held_out = load(tmp_path, cache_mib=cache_mib, holdout=1)
    assert isinstance(held_out.pretrain, Chain)
    assert not set(values(held_out.pretrain)) & set(values(held_out.test))


def test_training_images_without_any_label(tmp_path):
    put_labeled(tmp_path, "train", [1, 2], [-1, -1])
    put_labeled(tmp_path, "test", [3], [1])
    dataset = load(tmp_path)
    assert dataset.label_names is None
    assert (values(dataset.pretrain), values(dataset.test)) == ([1, 2], [3])
    assert set(dataset.test[0]) == {"image"}
    assert dataset.notes == ("no labels: no training image has one in label",)


def test_a_label_without_a_name_is_refused(tmp_path):
    put_labeled(tmp_path, "train", [1, 2, 3], [0, 1, 2])
    message = refusal(tmp_path)
    assert "has the label 2 in label; expected less than 2, the number of its label n" in message


@pytest.mark.parametrize(("modes", "channels"), [("LLL", 1), ("LLR", 3), ("RRR", 3)])
def test_size_and_channels_are_chosen(tmp_path, modes, channels):
    kinds = {"L": "L", "R": "RGB"}
    for split in ("train", "test"):
        images = [
            in_row(encoded(9, size=(30 + 4 * row, 60), mode=kinds[mode]))
            for row, mode in enumerate(modes)
        ]
        put(tmp_path, split, image=images, label=[0, 1, 0])
    dataset = load(tmp_path, image_size=None)
    assert (dataset.facts["image_size"], dataset.facts["channels"]) == (32, channels)
    assert dataset.train[0]["image"].shape == (32, 32, channels)
    asked = load(tmp_path, image_size=12, channels=1)
    assert asked.train[0]["image"].shape == (12, 12, 1)


@lazily
def test_images_that_cannot_be_decoded_are_recorded(tmp_path, cache_mib):
    images = pictures(range(6))
    images[1] = in_row(b"not an image")
    images[3] = None
    images[4] = in_row(images[4]["bytes"][:60])
    put(tmp_path, "train", image=images, label=[0, 1, 0, 1, 0, 1])
    put_labeled(tmp_path, "test", [7])
    dataset = load(tmp_path, cache_mib=cache_mib)
    if cache_mib:
        assert values(dataset.train) == [0, 2, 5]
        assert labels_of(dataset.train).tolist() == [0, 0, 1]
    else:
        assert values(dataset.train) == [0, 2, 2, 5, 5, 5]
        assert [int(dataset.train[row]["label"]) for row in range(6)] == [0, 0, 0, 1, 1, 1]
    assert sorted(dataset.unreadable) == ["train/1", "train/3", "train/4"]
    assert "not an image" in dataset.unreadable["train/1"]
    assert "data.max_unreadable: 2 is exceeded" in refusal(
        tmp_path, cache_mib=cache_mib, max_unreadable=2
    )


def test_images_found_damaged_later_are_logged(tmp_path, caplog):
    images = pictures(range(4))
    images[2] = in_row(b"")
    put(tmp_path, "train", image=images, label=[0, 1, 0, 1])
    put_labeled(tmp_path, "test", [7])
    known = {"channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    dataset = load(tmp_path, cache_mib=0, **known)
    assert dataset.unreadable == {}
    with caplog.at_level(logging.WARNING):
        assert values(dataset.train) == [0, 1, 3, 3]
    assert [record.message for record in caplog.records] == [
        "skipped train/2: is not an image, or its header is damaged"
    ]
    assert list(dataset.unreadable) == ["train/2"]


def test_a_damaged_image_is_replaced_by_one_of_its_own_part(tmp_path):
    images = pictures(range(12))
    images[10] = in_row(b"")  # a test image; what follows it is a training image
    images[2] = in_row(b"")  # and here an image without a label
    labels = [0, 1, 0, -1, 0, 1, 0, 1, 0, 1, 0, 1]
    put(tmp_path, "train", image=images, label=labels)
    dataset = load(tmp_path, cache_mib=0)
    assert values(dataset.test) == [0, 11]
    assert values(dataset.train) == [1, 4, 4, 5, 6, 7, 8, 9, 1]
    assert sorted(load(tmp_path).unreadable) == ["train/10", "train/2"]


@lazily
def test_no_image_that_can_be_decoded(tmp_path, cache_mib):
    put(tmp_path, "train", image=[in_row(b"junk")] * 3, label=[0, 1, 0])
    put_labeled(tmp_path, "test", [1])
    message = "has no training image that can be decoded"
    assert message in refusal(tmp_path, cache_mib=cache_mib)
    put_labeled(tmp_path, "train", [0, 1])
    put(tmp_path, "test", image=[in_row(b"junk")], label=[0])
    if cache_mib:
        assert "has no test image that can be decoded" in refusal(tmp_path)


def test_opening_reads_only_a_sample_of_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "_SAMPLE", 3)
    put_labeled(tmp_path, "train", range(30))
    read = []
    whole = rows.Images.file
    monkeypatch.setattr(
        rows.Images, "file", lambda self, *place: read.append(place) or whole(self, *place)
    )
    known = {"channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    dataset = load(tmp_path, cache_mib=0, **known)
    assert labels_of(dataset.train).tolist() == [v % 2 for v in range(30) if v % 10]
    assert read == [("train", row) for row in (1, 15, 29)]
    read.clear()
    assert values(dataset.train)[:2] == [1, 2]
    assert read == [("train", row) for row in range(30) if row % 10]


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    put_labeled(tmp_path, "train", range(4))
    for module, name in ((pickle, "load"), (pickle, "loads"), (dill, "load"), (dill, "loads")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("unpickled"))
    assert values(load(tmp_path).train) == [1, 2, 3]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), STRUCT], ids=str)
def test_encoded_images_that_are_not_declared_as_images_can_be_named(tmp_path, kind):
    schema = pa.schema({"jpg": kind, "class": pa.string()})
    files = [encoded(value) for value in (1, 2)]
    column = [in_row(file) for file in files] if kind == STRUCT else files
    for split in ("train", "test"):
        put(tmp_path, split, schema, **{"jpg": column, "class": ["b", "a"]})
    assert "has no column of images, only jpg, class" in refusal(tmp_path)
    dataset = load(tmp_path, image_column="jpg", label_column="class")
    assert values(dataset.train) == [1, 2]
    assert (dataset.label_names, labels_of(dataset.train).tolist()) == (("a", "b"), [1, 0])


def test_text_is_refused(tmp_path):
    classes = {"label": ClassLabel(names=["a", "b"]), "topic": ClassLabel(names=["c", "d"])}
    features = Features({"text": Value("string"), **classes})
    put(tmp_path, "train", features, text=["x", "y"], label=[0, 1], topic=[0, 1])
    assert refusal(tmp_path) == (
        f"data.name: 'hf:{tmp_path}/set' has no column of images, only text, label, "
        "topic; expected a data set of images, or data.image_column for encoded images"
    )
    assert refusal(tmp_path, image_column="text") == (
        f"data.image_column: 'text' is not a column of images in 'hf:{tmp_path}/set'; expected "
        "None, since there is none"
    )


def put_files(root):
    for number in range(8):
        split, label = ("train", "test")[number > 5], ("cat", "dog")[number % 2]
        file = root / split / label / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(number))


@lazily
def test_a_folder_of_image_files_is_read(tmp_path, cache_mib):
    put_files(tmp_path / "set")
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert dataset.label_names == ("cat", "dog")
    assert sorted(values(dataset.train)) == list(range(6))
    assert sorted(values(dataset.test)) == [6, 7]
    assert [v % 2 for v in values(dataset.train)] == labels_of(dataset.train).tolist()
    (tmp_path / "set/train/cat/2.png").unlink()
    if not cache_mib:
        assert sorted(values(dataset.train)) in ([0, 1, 3, 4, 4, 5], [0, 1, 1, 3, 4, 5])


@lazily
def test_image_files_in_archives_are_read(tmp_path, cache_mib):
    (tmp_path / "set").mkdir()
    for split, numbers in (("train", range(5)), ("test", range(5, 7))):
        with zipfile.ZipFile(tmp_path / "set" / f"{split}.zip", "w") as archive:
            for number in numbers:
                archive.writestr(f"{number}.png", encoded(number))
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert gather(dataset.train, np.arange(5))["image"][:, 0, 0, 0].tolist() == list(range(5))
    assert values(dataset.test) == [5, 6]


def test_a_folder_of_save_to_disk_is_read(tmp_path):
    def table(numbers):
        columns = {"image": pictures(numbers), "label": [n % 2 for n in numbers]}
        return Dataset.from_dict(columns, features=LABELED)

    both = DatasetDict({"train": table([1, 2, 3]), "test": table([4])})
    both.save_to_disk(tmp_path / "set")
    dataset = load(tmp_path)
    assert (values(dataset.train), values(dataset.test)) == ([1, 2, 3], [4])
    shuffled = table(range(11)).shuffle(seed=0)
    shuffled.with_format("numpy", columns=["label"]).save_to_disk(tmp_path / "one")
    dataset = load(tmp_path, f"hf:{tmp_path}/one")
    assert sorted(values(dataset.train) + values(dataset.test)) == list(range(11))
    assert [v % 2 for v in values(dataset.train)] == labels_of(dataset.train).tolist()


def test_splits_of_save_to_disk_may_have_other_columns(tmp_path):
    image, label = {"image": pictures([1, 2])}, {"label": [0, 1]}
    unlabeled = Features({"image": Image()})
    DatasetDict(
        {
            "train": Dataset.from_dict(image | label, features=LABELED),
            "test": Dataset.from_dict(image, features=unlabeled),
            "validation": Dataset.from_dict(label),
            "val": Dataset.from_dict(image | label, features=LABELED),
        }
    ).save_to_disk(tmp_path / "set")
    dataset = load(tmp_path)
    assert labels_of(dataset.test).tolist() == [0, 1]
    assert dataset.notes == ("test images have no labels: they are not used",)


def test_few_labels_and_whole_pictures(tmp_path):
    put_labeled(tmp_path, "train", range(12))
    put_labeled(tmp_path, "test", [20])
    dataset = load(tmp_path, labels=2, stored_size=16)
    assert np.bincount(data.labeled(dataset).train.labels).tolist() == [2, 2]
    assert dataset.train[0]["image"].shape == (8, 8, 3)
    assert dataset.pretrain[0]["image"].shape == (16, 16, 3)


def test_deep_images_are_scaled_by_the_range_of_the_data(tmp_path):
    ramp = np.linspace(0, 1000, 64).reshape(8, 8).astype(np.uint16)
    file = io.BytesIO()
    Pillow.fromarray(ramp).save(file, "PNG")
    put(tmp_path, "train", image=[in_row(file.getvalue())] * 12, label=[0, 1] * 6)
    dataset = load(tmp_path)
    assert dataset.facts["value_range"] == (0, 1000)
    assert any("1000 white (data.value_range)" in note for note in dataset.notes)
    assert dataset.train[0]["image"].max() == 255


def test_contents_tell_files_by_their_place_below_the_folder(tmp_path):
    (tmp_path / "one").mkdir()
    put_labeled(tmp_path / "one", "train", range(6))
    before = load(tmp_path / "one").contents.encoded()
    moved = (tmp_path / "one").rename(tmp_path / "two")
    assert changes(before, load(moved).contents) == ""
    put_labeled(moved, "test", [1])
    assert changes(before, load(moved).contents).startswith("1 files added (such as ")
