"""Folders of images: which files are read or skipped, and their splits and labels."""

import io
import logging
import os
import struct
import tracemalloc
import zlib
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import formats, pixels
from ssl_jax.data.choices import choose_size
from ssl_jax.data.contents import changes
from ssl_jax.data.dataset import gather, labels_of
from ssl_jax.data.frame import Frame
from ssl_jax.errors import InputError


def put(root, path, value=0, *, size=(20, 20), mode="RGB"):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value,) * len(mode) if mode != "L" else value).save(file)
    return file


def load(root, **options):
    return data.load({"name": f"folder:{root}", "image_size": 8, **options})


def values(source):
    """Returns one pixel per example, which identifies its image, since `put` fills it evenly."""
    return [int(source[index]["image"][0, 0, 0]) for index in range(len(source))]


def refusal(root, **options):
    with pytest.raises(InputError) as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


lazily = pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])


@lazily
def test_a_flat_folder_is_split_by_file_name(tmp_path, cache_mib):
    for number in range(60):
        put(tmp_path, f"{number:02}.png", number)
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert sorted(values(dataset.train) + values(dataset.test)) == list(range(60))
    assert 1 <= len(dataset.test) <= 15
    assert dataset.label_names is None
    assert set(dataset.train[0]) == {"image"}
    assert dataset.facts["image_size"] == 8
    assert dataset.facts["channels"] == 3
    assert any("no test images given" in note for note in dataset.notes)

    test_before = set(values(dataset.test))
    for number in range(60, 80):
        put(tmp_path, f"{number:02}.png", number)
    test_after = set(values(load(tmp_path).test))
    assert test_before <= test_after
    assert not (test_after - test_before) & set(range(60))


@lazily
def test_label_folders_and_splits(tmp_path, cache_mib):
    put(tmp_path, "train/dog/a.png", 1)
    put(tmp_path, "train/cat/deep/er/b.png", 2)
    put(tmp_path, "train/cat/c.png", 3)
    put(tmp_path, "test/dog/d.png", 4)
    put(tmp_path, "test/emu/e.png", 5)
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert dataset.label_names == ("cat", "dog")
    assert values(dataset.train) == [3, 2, 1]
    assert [int(dataset.train[row]["label"]) for row in range(3)] == [0, 0, 1]
    assert values(dataset.test) == [4]
    assert gather(dataset.test, np.array([0]))["label"].tolist() == [1]
    assert labels_of(dataset.train).tolist() == [0, 0, 1]
    assert labels_of(dataset.train).dtype == np.int32
    assert dataset.notes[-1] == ("test images of labels without training images are left out: emu")
    assert dataset.pretrain is dataset.train


@pytest.mark.parametrize("name", ["test", "val", "validation", "valid", "Test"])
def test_accepted_names_of_the_test_folder(tmp_path, name):
    put(tmp_path, "train/a.png", 1)
    put(tmp_path, f"{name}/b.png", 2)
    dataset = load(tmp_path)
    assert (values(dataset.train), values(dataset.test)) == ([1], [2])


def test_files_and_folders_outside_the_splits_are_ignored_with_a_note(tmp_path):
    put(tmp_path, "train/a.png", 1)
    put(tmp_path, "test/b.png", 2)
    put(tmp_path, "val/c.png", 3)
    put(tmp_path, "d.png", 4)
    dataset = load(tmp_path)
    assert (values(dataset.train), values(dataset.test)) == ([1], [2])
    assert "ignored, outside the splits: d.png" in dataset.notes
    assert "ignored, outside the splits: val" in dataset.notes


def test_a_train_folder_without_a_test_folder_is_split(tmp_path):
    for number in range(5):
        put(tmp_path, f"train/{number}.png", number)
    (tmp_path / "test").mkdir()
    dataset = load(tmp_path)
    assert sorted(values(dataset.train) + values(dataset.test)) == list(range(5))
    assert len(dataset.test) >= 1


def test_a_test_folder_without_a_train_folder_is_a_label(tmp_path):
    for label in ("test", "other"):
        for number in range(3):
            put(tmp_path, f"{label}/{number}.png")
    assert load(tmp_path).label_names == ("other", "test")


@lazily
def test_images_outside_label_folders_are_used_for_pretraining_only(tmp_path, cache_mib):
    put(tmp_path, "train/loose.png", 1)
    put(tmp_path, "train/a/x.png", 2)
    put(tmp_path, "train/b/x.png", 3)
    put(tmp_path, "test/a/x.png", 4)
    put(tmp_path, "test/loose.png", 5)
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert values(dataset.pretrain) == [1, 2, 3]
    assert values(dataset.train) == [2, 3]
    assert values(dataset.test) == [4]
    assert set(gather(dataset.pretrain, np.arange(3))) == {"image"}
    assert "1 images without a label are used for pretraining only" in dataset.notes
    assert "1 test images without a label are left out" in dataset.notes


def test_a_single_label_counts_as_no_labels(tmp_path):
    for number in range(4):
        put(tmp_path, f"images/{number}.png")
    dataset = load(tmp_path)
    assert dataset.label_names is None
    assert "no labels: they need at least two folders of training images" in dataset.notes


def test_labels_that_only_the_test_set_has_are_ignored(tmp_path):
    put(tmp_path, "train/a.png", 1)
    put(tmp_path, "test/x/b.png", 2)
    put(tmp_path, "test/y/c.png", 3)
    dataset = load(tmp_path)
    assert dataset.label_names is None
    assert values(dataset.test) == [2, 3]


def test_a_test_folder_without_labels_is_not_used_if_training_images_have_labels(tmp_path):
    for number in range(4):
        put(tmp_path, f"train/{'ab'[number % 2]}/{number}.png", number)
    put(tmp_path, "test/9.png", 9)
    dataset = load(tmp_path)
    assert dataset.label_names == ("a", "b")
    assert sorted(values(dataset.train) + values(dataset.test)) == [0, 1, 2, 3]


@lazily
def test_test_folders_that_cannot_be_scored_are_passed_over(tmp_path, cache_mib):
    put(tmp_path, "train/cat/1.png", 1)
    put(tmp_path, "train/dog/2.png", 2)
    for number in (3, 4):
        put(tmp_path, f"test/images/{number}.png", number)
    put(tmp_path, "val/cat/5.png", 5)
    put(tmp_path, "val/dog/6.png", 6)
    dataset = load(tmp_path, cache_mib=cache_mib)
    assert dataset.label_names == ("cat", "dog")
    assert (values(dataset.train), values(dataset.test)) == ([1, 2], [5, 6])
    assert "test is not used: none of its images has a training label" in dataset.notes


def test_training_images_are_held_out_if_no_test_folder_can_be_scored(tmp_path):
    for number in range(4):
        put(tmp_path, f"train/{'ab'[number % 2]}/{number}.png", number)
    put(tmp_path, "test/images/9.png", 9)
    put(tmp_path, "valid/8.png", 8)
    dataset = load(tmp_path)
    assert dataset.label_names == ("a", "b")
    assert sorted(values(dataset.train) + values(dataset.test)) == [0, 1, 2, 3]


def test_a_class_named_train_beside_other_classes_is_a_class(tmp_path):
    for label in ("bus", "car", "train"):
        for number in range(4):
            put(tmp_path, f"{label}/{number}.png", number)
    dataset = load(tmp_path)
    assert dataset.label_names == ("bus", "car", "train")
    assert len(dataset.train) + len(dataset.test) == 12
    assert any(note.startswith("train is a class") for note in dataset.notes)


@pytest.mark.parametrize(
    "paths",
    [
        ["train/{}.png", "test/{}.png", "cat/{}.png"],
        ["train/{}.png", "train_labels/{}.png", "masks/{}.png"],
        ["train/a/{}.png", "train/b/{}.png", "bus/{}.png"],
        ["train/{}.png", "bus/deep/{}.png"],
    ],
)
def test_a_folder_train_is_otherwise_the_training_split(tmp_path, paths):
    for number, path in enumerate(paths):
        for repeat in range(3):
            put(tmp_path, path.format(repeat), number)
    dataset = load(tmp_path)
    inside = {i for i, path in enumerate(paths) if path.startswith(("train/", "test/"))}
    assert set(values(dataset.train)) | set(values(dataset.test)) == inside


@pytest.mark.parametrize("count", range(2, 9))
def test_small_folders_have_a_nonempty_training_and_test_set(tmp_path, count):
    for number in range(count):
        put(tmp_path, f"{number}.png", number)
    dataset = load(tmp_path)
    assert len(dataset.test) >= 1
    assert len(dataset.train) + len(dataset.test) == count
    assert len(dataset.train) >= 1


def test_hidden_and_other_files_are_ignored(tmp_path):
    put(tmp_path, "a.png", 1)
    put(tmp_path, "b.JPEG", 2)
    put(tmp_path, ".hidden.png", 3)
    put(tmp_path, ".thumbs/c.png", 4)
    put(tmp_path, "__MACOSX/d.png", 5)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    dataset = load(tmp_path)
    assert sorted(values(dataset.train) + values(dataset.test)) == [1, 2]
    assert dataset.unreadable == {}
    assert dataset.left_out == {str(tmp_path / "notes.txt"): ".txt"}


def test_files_that_are_left_out_are_counted_by_kind(tmp_path):
    for i in range(6):
        put(tmp_path, f"train/a{i}.png")
        put(tmp_path, f"test/b{i}.pgm", mode="L")
        (tmp_path / f"train/IMG_{i}.CR2").write_bytes(b"raw")
    (tmp_path / "train/crawled").write_bytes(b"?")
    (tmp_path / "test/notes.txt").write_text("hidden files do not count")
    (tmp_path / "test/.hidden.txt").write_text("")
    (tmp_path / "test/dead.png").symlink_to(tmp_path / "gone.png")
    loaded = load(tmp_path)
    assert (len(loaded.train), len(loaded.test)) == (6, 6)
    (note,) = [note for note in loaded.notes if "not read" in note]
    assert note.startswith("9 files are not read (.cr2: 6, ")
    for kind in ("no ending: 1", ".txt: 1", "a link that leads nowhere: 1"):
        assert kind in note
    assert loaded.left_out == {
        **{str(tmp_path / f"train/IMG_{i}.CR2"): ".cr2" for i in range(6)},
        str(tmp_path / "train/crawled"): "no ending",
        str(tmp_path / "test/notes.txt"): ".txt",
        str(tmp_path / "test/dead.png"): "a link that leads nowhere",
    }


@pytest.mark.parametrize(("size", "said"), [(16, False), (20, False), (24, True)])
def test_images_that_are_enlarged_are_said(tmp_path, size, said):
    for i in range(12):
        put(tmp_path, f"{i}.png", size=(20, 60) if i % 3 else (90, 90))
    notes = [note for note in load(tmp_path, image_size=size).notes if "enlarged" in note]
    expected = ["half of the images have a shorter side of 20 pixels or less"] if said else []
    assert [note.partition(";")[0] for note in notes] == expected


def test_a_file_that_many_links_lead_to_counts_once(tmp_path):
    """Five levels of two links each would otherwise show one picture 32 times."""
    root = tmp_path / "root"
    put(tmp_path, "level0/1.png", 1)
    for level in range(5):
        for name in "xy":
            link = tmp_path / f"level{level + 1}" / name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(tmp_path / f"level{level}")
    put(root, "a/2.png", 2)
    (root / "a/same.png").symlink_to(root / "a/2.png")
    (root / "b").mkdir()
    (root / "b/far").symlink_to(tmp_path / "level5")
    (root / "b/file.png").symlink_to(tmp_path / "level0/1.png")
    (root / "b/above").symlink_to(tmp_path)
    dataset = load(root)
    assert sorted(values(dataset.train) + values(dataset.test)) == [1, 2]
    assert any("a link to what is listed already: " in note for note in dataset.notes)


def test_a_link_to_a_file_without_an_ending_is_followed(tmp_path):
    """Caches store files under their digests, and link to them by name."""
    for number in range(3):
        blob = put(tmp_path, f"blobs/{number}.png", number)
        blob = blob.rename(blob.with_suffix(""))
        (tmp_path / f"{number}.png").symlink_to(blob)
    dataset = load(tmp_path)
    assert sorted(values(dataset.train) + values(dataset.test)) == [0, 1, 2]


def test_links_are_followed_unless_they_form_a_cycle(tmp_path):
    root = tmp_path / "root"
    put(root, "a/1.png", 1)
    put(tmp_path / "elsewhere", "2.png", 2)
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    dataset = load(root)
    assert sorted(values(dataset.train) + values(dataset.test)) == [1, 2]
    assert dataset.label_names == ("a", "b")


def test_file_names_that_are_not_utf8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for name in (b"1.png", b"2.png"):
        Image.new("L", (8, 8)).save(os.fsdecode(folder + b"/" + name))
    put(tmp_path, "z/3.png")
    put(tmp_path, "z/4.png")
    open(folder + b"/bad.png", "wb").close()
    dataset = load(tmp_path)
    assert dataset.label_names == ("caf\\xe9", "z")
    assert next(iter(dataset.unreadable)).encode().endswith(b"caf\\xe9/bad.png")


@pytest.mark.parametrize(
    ("sides", "size"),
    [([8], 16), ([19], 16), ([30, 35, 200], 32), ([63], 60), ([64], 64), ([500], 64)],
)
def test_image_size_is_chosen_from_the_median(sides, size):
    assert choose_size(sides) == size


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_channels_are_chosen_from_the_images(tmp_path, mode, channels):
    for name in "abc":
        put(tmp_path, f"{name}.png", 50, size=(40, 33), mode=mode)
    dataset = load(tmp_path, image_size=None)
    assert dataset.facts["channels"] == channels
    assert dataset.facts["image_size"] == 32
    assert dataset.train[0]["image"].shape == (32, 32, channels)
    assert dataset.facts["mean"] == pytest.approx((50 / 255,) * channels)
    assert dataset.facts["std"] == (1e-3,) * channels


@pytest.mark.parametrize("channels", [1, 3])
def test_requested_channels_are_used(tmp_path, channels):
    for name in "abc":
        put(tmp_path, f"{name}.png", 50, mode="L" if channels == 3 else "RGB")
    assert load(tmp_path, channels=channels).train[0]["image"].shape == (8, 8, channels)


def damage(root):
    """Writes two good images and four unreadable ones, two of which have a valid header."""
    whole = put(root, "whole.png", 7, size=(200, 200)).read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(root / "cut.png")
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:3000])
    Image.fromarray(noise).save(root / "cut.jpg")
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:900])
    (root / "empty.gif").write_bytes(b"")
    (root / "text.webp").write_text("hello")
    (root / "renamed.jpg").write_bytes(whole)
    return [str(root / name) for name in ("cut.jpg", "cut.png", "empty.gif", "text.webp")]


def test_unreadable_files_are_skipped_and_listed(tmp_path, capfd, caplog):
    unreadable = damage(tmp_path)
    dataset = load(tmp_path)
    assert sorted(dataset.unreadable) == unreadable
    assert dataset.unreadable[str(tmp_path / "empty.gif")] == "is empty"
    assert "not an image" in dataset.unreadable[str(tmp_path / "text.webp")]
    assert "truncated" in dataset.unreadable[str(tmp_path / "cut.jpg")]
    assert values(dataset.train) + values(dataset.test) == [7, 7]
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_without_cache_a_broken_file_is_replaced_by_the_next_and_reported_once(tmp_path, caplog):
    damage(tmp_path / "train")
    for number in range(3):
        put(tmp_path, f"test/{number}.png", number)
    given = {"mean": (0, 0, 0), "std": (1, 1, 1)}  # so that loading reads no image
    dataset = load(tmp_path, cache_mib=0, **given)
    assert sorted(map(os.path.basename, dataset.unreadable)) == ["empty.gif", "text.webp"]
    with caplog.at_level(logging.WARNING):
        names = [os.path.basename(path) for path in dataset.train.paths]
        assert names == ["cut.jpg", "cut.png", "renamed.jpg", "whole.png"]
        assert values(dataset.train) == values(dataset.train) == [7] * 4
    warned = sorted(os.path.basename(record.args[0]) for record in caplog.records)
    assert warned == ["cut.jpg", "cut.png"]
    assert all(dataset.unreadable[str(tmp_path / "train" / name)] for name in warned)
    assert "decoded on every read" in dataset.notes[0]


def test_too_many_unreadable_files(tmp_path):
    damage(tmp_path)
    message = refusal(tmp_path, max_unreadable=3)
    assert message.startswith(f"data.max_unreadable: 3 is exceeded in folder:{tmp_path}")
    assert ".png'" in message or ".jpg'" in message
    assert len(load(tmp_path, max_unreadable=4).unreadable) == 4


def test_too_many_unreadable_files_while_reading(tmp_path):
    damage(tmp_path)
    dataset = load(tmp_path, max_unreadable=2, cache_mib=0, mean=(0, 0, 0), std=(1, 1, 1))
    with pytest.raises(InputError, match=r"data\.max_unreadable: 2 is exceeded"):
        values(dataset.train), values(dataset.test)


def test_decompression_bombs_are_unreadable(tmp_path, monkeypatch):
    put(tmp_path, "a.png")
    put(tmp_path, "b.png")
    put(tmp_path, "large.png", size=(40, 40))
    put(tmp_path, "bomb.png", size=(80, 80))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    dataset = load(tmp_path)
    assert list(dataset.unreadable) == [str(tmp_path / "bomb.png")]
    assert len(dataset.train) + len(dataset.test) == 3


def test_folders_that_cannot_be_used(tmp_path):
    name = f"folder:{tmp_path}"
    assert refusal(tmp_path).startswith(f"data.name: '{name}' holds no image to train on; expected")
    file = put(tmp_path, "one.png")
    assert (
        f"'{name}' holds too few readable images to train and test on; expected at least 2, found 1"
    ) in refusal(tmp_path)
    file.write_bytes(b"junk")
    message = refusal(tmp_path)
    assert message.startswith(f"data.name: '{name}' holds no readable image to train on; expected")
    assert f"data.name: '{name}/no' does not exist" in refusal(tmp_path / "no")
    assert f"data.name: '{name}/one.png' is not a folder" in refusal(file)
    with pytest.raises(InputError, match=r"^data\.name: 'folder:' names no folder"):
        data.load({"name": "folder:"})


def test_an_image_that_cannot_be_decoded_is_left_out_of_either_split(tmp_path):
    """The file that is cut short still has a valid header."""
    for number in range(3):
        put(tmp_path, f"{number}.png", number)
    for number in range(3):
        file = tmp_path / f"{number}.png"
        content = file.read_bytes()
        file.write_bytes(content[:-30])
        dataset = load(tmp_path)
        assert (len(dataset.train), len(dataset.test)) == (1, 1)
        file.write_bytes(content)


def test_loading_with_the_facts_gives_the_same_data(tmp_path):
    for number in range(9):
        put(tmp_path, f"{number}.png", 20 * number, size=(30, 50))
    first = load(tmp_path, image_size=None)
    again = load(tmp_path, **first.facts)
    assert again.facts == first.facts
    assert values(again.train) == values(first.train)


RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


def deep(root, pixels, ending):
    for name in "abcd":
        root.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / f"{name}{ending}")
    return root


@lazily
@pytest.mark.parametrize(
    ("pixels", "ending", "expected"),
    [
        ((RAMP * 4095).astype(np.uint16), ".png", (0, 4095)),
        ((500 + RAMP * 1000).astype(np.uint16), ".tif", (500, 1500)),
        ((RAMP * 1.2).astype(np.float32), ".tif", (0, 1.2)),
        ((RAMP * 4000 - 1000).astype(np.float32), ".tif", (-1000, 3000)),
        ((RAMP * 70000).astype(np.int32), ".tif", (0, 70000)),
    ],
    ids=["12 bits", "depth in mm", "floats above 1", "negative floats", "more than 16 bits"],
)
def test_deep_images_are_scaled_by_the_range_of_the_data(
    tmp_path, cache_mib, pixels, ending, expected
):
    root = deep(tmp_path / "deep", pixels, ending)
    dataset = load(root, image_size=64, cache_mib=cache_mib)
    assert dataset.facts["value_range"] == pytest.approx(expected)
    low, high = expected
    exact = np.round((pixels.astype(np.float64) - low) / (high - low) * 255)
    np.testing.assert_allclose(dataset.train[0]["image"][..., 0], exact, atol=1)
    assert any("images of more than 8 bits: " in note for note in dataset.notes)


def test_one_range_holds_for_all_images_and_for_later_ones(tmp_path):
    root = deep(tmp_path / "deep", (RAMP * 1000).astype(np.uint16), ".png")
    for name, value in (("e", 250), ("f", 1000)):
        Image.fromarray(np.full((64, 64), value, np.uint16)).save(root / f"{name}.png")
    first = load(root, image_size=64)
    everything = [*values(first.train), *values(first.test)]
    assert sorted(everything)[-2:] == [64, 255]
    again = load(deep(tmp_path / "other", np.full((64, 64), 500, np.uint16), ".png"), **first.facts)
    assert again.facts["value_range"] == (0, 1000)
    assert values(again.train)[0] == 128


def test_the_range_of_values_can_be_set(tmp_path):
    root = deep(tmp_path / "deep", np.full((8, 8), 300, np.uint16), ".png")
    assert values(load(root, value_range=(200, 400)).train)[0] == 128
    assert load(root).facts["value_range"] == (300, 301)
    assert "pairs of numbers, smallest < largest" in refusal(root, value_range=(400, 200))


def test_images_of_8_bits_do_not_widen_the_range_and_are_not_scaled(tmp_path):
    root = deep(tmp_path / "deep", (100 + RAMP * 50).astype(np.uint16), ".png")
    for number in range(8):
        put(root, f"{number}.png", 255, size=(64, 64), mode="L")
    dataset = load(root)
    assert dataset.facts["value_range"] == (100, 150)
    assert {*values(dataset.train), *values(dataset.test)} > {255}


def test_images_of_8_bits_have_no_range(tmp_path):
    put(tmp_path, "a.png", 10)
    put(tmp_path, "b.png", 20)
    assert "value_range" not in load(tmp_path).facts


def test_color_images_that_lose_bits_are_said(tmp_path):
    put(tmp_path, "a.png", 10)
    put(tmp_path, "b.png", 20)
    chunks = b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress((b"\0" + bytes(48)) * 8)),
            (b"IEND", b""),
        )
    )
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    note = "of color images with 16 bits a channel, the upper 8 are read"
    assert note in load(tmp_path).notes


def test_heic_is_read(tmp_path):
    import pillow_heif

    for number in range(4):
        image = Image.new("RGB", (64, 64), (50 * number,) * 3)
        pillow_heif.from_pillow(image).save(tmp_path / f"{number}.HEIC", quality=-1)
    dataset = load(tmp_path)
    found = sorted(values(dataset.train) + values(dataset.test))
    np.testing.assert_allclose(found, [0, 50, 100, 150], atol=2)


def test_without_its_extra_heic_is_counted_and_the_extra_is_named():
    assert formats.hint([".heic", ".txt"]) == ""  # it is installed here
    with mock.patch.object(formats, "_HEIC", False):
        assert formats.hint([".heic", ".txt"]) == "; pip install 'ssl_jax[heic]' reads .heic"
        assert formats.hint([".txt"]) == ""


def test_a_picture_that_takes_too_much_memory_is_refused_before_it_is_decoded(tmp_path):
    put(tmp_path, "a.png", 10)
    put(tmp_path, "b.png", 20)
    Image.new("I;16", (2000, 1400)).save(tmp_path / "large.png")
    decoded = Image.Image.load
    with (
        mock.patch.object(pixels, "_BUDGET", 2**22),
        mock.patch.object(Image.Image, "load", autospec=True, side_effect=decoded) as loads,
    ):
        dataset = load(tmp_path)
    (reason,) = dataset.unreadable.values()
    assert reason.endswith("2,000 x 1,400 pixels take 5 MiB to decode; expected at most 4")
    assert all(call.args[0].size != (2000, 1400) for call in loads.call_args_list)


def test_large_deep_pictures_take_little_memory_beside_themselves():
    frame = Frame(16, 1, values=(0, 4000))
    pixels = np.zeros((4000, 4000), np.uint16)
    pixels[::2] = 4000
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    tracemalloc.start()
    image = frame.decode(file)["image"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(image, 127, atol=2)
    assert peak < 40 * 2**20  # 16 million pixels as 64-bit numbers would take 122 MiB


def test_contents_tell_files_by_their_place_below_the_folder(tmp_path):
    root = tmp_path / "one"
    for name in ("train/a.png", "train/b.png", "test/c.png"):
        put(root, name, ord(name[-5]))
    first = load(root).contents
    assert sorted(first.names) == ["test/c.png", "train/a.png", "train/b.png"]
    moved = load(root.rename(tmp_path / "two")).contents
    assert changes(first.encoded(), moved) == ""
